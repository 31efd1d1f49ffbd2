"""Deletions, from the accepted request to the last byte, and their undoing."""
