"""Connections, and what is around every request that comes over them."""
