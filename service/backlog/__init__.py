"""The backlog: gauges of what the database still has to do."""
