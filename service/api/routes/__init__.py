"""The handlers of the API: read, call one use case, reply."""
