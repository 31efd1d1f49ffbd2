"""Helm: charts that are pushed to a channel, and the index that `helm repo add` reads."""
