"""Connections and the requests that come over them, before any handler runs."""
