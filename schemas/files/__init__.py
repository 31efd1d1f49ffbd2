"""Schemas of files: the directory file and imports."""
