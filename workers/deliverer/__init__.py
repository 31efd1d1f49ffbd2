"""The deliverer: posts events to webhooks."""
