"""What is released, made and published for real: `make release-check`."""
