"""Deletions in the database."""
