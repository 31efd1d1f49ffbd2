"""Deletions as readers see them: lists, details, counts by state, failures by error, and the resources of the API."""
