"""The commands that the chart runs in a cluster, besides the processes."""
