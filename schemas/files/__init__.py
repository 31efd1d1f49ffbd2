"""Contracts of files: the directory file and imports."""
