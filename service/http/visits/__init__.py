"""A request's credentials, its caller, and what the caller may do."""
