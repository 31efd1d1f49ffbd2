"""A Kubernetes of several nodes on this machine: built from pinned Go modules, and closed to the outside."""
