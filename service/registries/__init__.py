"""Registries: a folder for each package manager, with its routes, its rows and what it keeps of a file."""
