"""The feed: events of the log over HTTP, by the caller's rights of now."""
