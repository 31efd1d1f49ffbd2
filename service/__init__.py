"""The service: the HTTP API on top, infrastructure below."""
