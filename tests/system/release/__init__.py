"""A release, made and published for real: `make release-check`."""
