"""The HTTP toolkit: server, routes that describe themselves, callers, parameters, replies, paging."""
