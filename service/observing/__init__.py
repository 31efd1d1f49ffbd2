"""Metrics, the liveness of a process, and the condition of its servers."""
