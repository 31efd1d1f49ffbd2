"""How alembic runs a migration: one transaction, one process at a time, never waiting long for a lock."""

from alembic import context
from sqlalchemy import create_engine, pool, text

_LOCK: int = 7_223_117_001
"""The advisory lock that keeps two migrations apart."""

engine = create_engine(context.config.attributes["url"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, version_table="schema_version", transaction_per_migration=False)
    with context.begin_transaction():
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        context.run_migrations()
