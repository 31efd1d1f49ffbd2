"""Drivers: the code that calls PostgreSQL, RabbitMQ and storage libraries."""
