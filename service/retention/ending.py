"""The ends of runs: finished, refused, lapsed or failed. Each is announced, once for each project of the run."""

from uuid import UUID

import structlog

from service.events import outbox
from service.infra.postgres.database import Connection, fetch_row
from service.infra.postgres.records import Record
from service.observing import metrics
from service.refusals import ConflictError
from service.retention.announcing import finished_events
from service.retention.runs import RetentionRun, RunState, outcomes_of, read_run

log = structlog.get_logger()


async def finish_run(connection: Connection, run_id: UUID) -> None:
    """End a run that has asked for all deletions of its list."""
    await _end(connection, await fetch_row(connection, "finish_retention_run", id=run_id))


async def refuse_run(connection: Connection, run: RetentionRun, *, user_id: int | None, who: str) -> RetentionRun:
    """Refuse the list of a locked run: nothing on it goes.

    Raises:
        ConflictError: it does not wait for approval.
    """
    if run.state is not RunState.AWAITING_APPROVAL:
        raise ConflictError(f"the run is {run.state}, and does not wait for approval")
    row = await fetch_row(connection, "refuse_retention_run", id=run.id, user_id=user_id, reason=f"{who} refused it")
    return await _end(connection, row) or run


async def lapse_run(connection: Connection, run_id: UUID) -> None:
    """End a run whose list nobody has approved in time."""
    await _end(connection, await fetch_row(connection, "lapse_retention_run", id=run_id))


async def fail_run(connection: Connection, run_id: UUID, *, reason: str) -> None:
    """End a run that cannot be carried on."""
    await _end(connection, await fetch_row(connection, "fail_retention_run", id=run_id, reason=reason))


async def _end(connection: Connection, row: Record | None) -> RetentionRun | None:
    """Announce the run that has just ended; nothing if it was not in a state from which it can."""
    if row is None:
        return None
    run = read_run(row)
    await outbox.append(connection, await finished_events(connection, run, await outcomes_of(connection, run.id)))
    metrics.RETENTION_RUNS.labels(run.state).inc()
    log.info("retention_ended", run_id=str(run.id), rule_id=run.rule_id, state=run.state)
    return run
