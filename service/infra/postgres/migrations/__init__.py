"""Numbered, forward-only migrations."""
