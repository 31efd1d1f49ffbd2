"""The cases that are tried in the cluster, and their report."""
