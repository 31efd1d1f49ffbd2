"""Sessions of PostgreSQL: how they are made, set up, kept and locked."""
