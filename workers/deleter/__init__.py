"""The deletion worker."""
