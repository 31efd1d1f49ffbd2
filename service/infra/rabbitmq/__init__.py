"""RabbitMQ: connections, publishing, consuming and users."""
