"""Schemas of all that crosses a process border. Plain data, no I/O, no driver."""
