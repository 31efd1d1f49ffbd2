"""Idempotency keys: a repeated request gets the first answer."""
