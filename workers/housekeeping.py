"""Removing our own rows when they have served their time."""

from service.catalogue import statistics
from service.deletions import wake
from service.events import days, outbox
from service.idempotency import rows as idempotency_rows
from service.infra.postgres.database import Database
from service.retention import runs as retention_runs
from service.settings import Settings
from service.web.sessions import rows as session_rows
from service.webhooks import deliveries as webhook_deliveries


async def prune(database: Database, settings: Settings, *, limit: int) -> int:
    """Remove at most *limit* old rows of each kind, and old days of the event log; return how many these were.

    The kinds are commands, records of deletions, kept answers, daily figures, runs of rules, sessions of browsers, and
    deliveries to webhooks.
    """
    async with database.connection() as connection:
        messages = await outbox.prune(connection, older_than=settings.outbox_retention, limit=limit)
        logged = await days.drop(connection, retention=settings.event_retention)
        records = await wake.prune(connection, older_than=settings.deletion_retention, limit=limit)
        answers = await idempotency_rows.prune(connection, older_than=settings.idempotency_retention, limit=limit)
        figures = await statistics.prune_days(connection, limit=limit)
        sessions = await session_rows.prune_sessions(connection, limit=limit)
        runs = await retention_runs.prune(connection, older_than=settings.deletion_retention, limit=limit)
        deliveries = await webhook_deliveries.prune(connection, limit=limit)
    return runs + messages + logged + records + answers + figures + sessions + deliveries
