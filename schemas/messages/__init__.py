"""Schemas of the broker's messages: events, commands, exchanges and queues."""
