"""Servers that fail over under load: a PostgreSQL and its standby, three nodes of RabbitMQ."""
