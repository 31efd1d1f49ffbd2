"""Everything on one machine: PostgreSQL, RabbitMQ, API, relay, worker and scheduler, in one data folder."""
