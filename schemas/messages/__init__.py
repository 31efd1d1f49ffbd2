"""Contracts of the broker: events, commands, exchanges and queues."""
