"""Imports of packages from a file."""
