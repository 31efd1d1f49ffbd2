"""Everything on one machine: PostgreSQL, RabbitMQ and the four processes, in one data folder."""
