"""Webhooks: events of the log, posted to addresses that projects and groups name."""
