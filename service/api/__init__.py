"""HTTP only: read, call one use case, reply."""
