"""Callers and their rights: tokens, roles, and what a caller may do in a project or group."""
