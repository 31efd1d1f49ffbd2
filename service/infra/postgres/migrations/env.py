"""How alembic runs migrations: one process at a time, each migration a transaction, never waiting long for a lock."""

import time

from alembic import context
from sqlalchemy import create_engine, pool, text

from service.errors import StartError
from service.infra.postgres.sessions.connecting import connect_blocking
from service.infra.postgres.sessions.purposes import Purpose

_LOCK: int = 7_223_117_001
"""The advisory lock that keeps two processes apart."""

_POLL_S: float = 0.2

_HOLDER = text("""
SELECT format('session %s of %s at %s, %s since %s', a.pid, a.application_name,
              coalesce(host(a.client_addr), 'a socket'), a.state, date_trunc('second', a.state_change))
  FROM pg_locks l JOIN pg_stat_activity a USING (pid)
 WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database() AND l.objsubid = 1
   AND (l.classid::bigint << 32 | l.objid::bigint) = :lock
""")

engine = create_engine(
    "postgresql+psycopg://",
    poolclass=pool.NullPool,
    creator=lambda: connect_blocking(context.config.attributes["url"], Purpose.MIGRATE),
)
# The lock is held by a connection of its own: it outlives every transaction, and is in the way of none.
with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as guard, engine.connect() as connection:
    # We ask again and again, since CREATE INDEX CONCURRENTLY would wait for a session that waits in a statement. The
    # server ends the session of a guard whose machine has vanished after 15 s, so that does not use up the patience.
    deadline = time.monotonic() + context.config.attributes["patience_s"]
    while not guard.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}).scalar():
        if time.monotonic() > deadline:
            holder = guard.execute(_HOLDER, {"lock": _LOCK}).scalar() or "one that has ended by now"
            raise StartError(
                f"another process is migrating this database, and has not come to an end ({holder}): try again later"
            )
        time.sleep(_POLL_S)
    connection.execute(text("SET lock_timeout = '5s'"))
    connection.commit()
    context.configure(connection=connection, version_table="schema_version", transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
