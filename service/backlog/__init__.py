"""The backlog: counts of deletions and messages that wait."""
