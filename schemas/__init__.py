"""Contracts: what crosses a process border. Plain data, no I/O, no driver."""
