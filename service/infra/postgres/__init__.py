"""PostgreSQL: sessions, named queries, locks, roles and migrations."""
