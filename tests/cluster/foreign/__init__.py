"""Checks in a Kubernetes that somebody else started, in namespaces of their own."""
