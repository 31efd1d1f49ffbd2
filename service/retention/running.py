"""Carrying runs out: planned in one transaction, and deleted in small ones, so that a kill loses no more than one."""

from typing import Final

import structlog

from service.deletions.deletion import Deletions
from service.infra.postgres.database import DatabaseUnavailableError, execute, fetch, interferences
from service.retention.ending import fail_run, lapse_run
from service.retention.rules import pause_unreadable, try_rule
from service.retention.run_deleting import delete_portion
from service.retention.run_planning import RuleChangedError, plan_run
from service.retention.runs import RetentionRun, RunCause, RunState, add_run, read_run
from service.retention.schedule import next_moment

_MOST_RUNS: Final = 100
_MOST_ATTEMPTS: Final = 5
_PASSING: Final[tuple[type[Exception], ...]] = (*DatabaseUnavailableError, *interferences())
"""The errors that are nobody's fault: the same step succeeds later."""

log = structlog.get_logger()


async def carry_on(deletions: Deletions) -> bool:
    """Begin the runs that are due, and continue each open one by a step; return whether there is more to do now."""
    await _begin_due(deletions)
    async with deletions.database.connection() as connection:
        runs = [read_run(row) for row in await fetch(connection, "open_retention_runs", limit=_MOST_RUNS)]
    has_more = False
    for run in runs:
        has_more |= await _step_safely(deletions, run)
    return has_more


async def _begin_due(deletions: Deletions) -> None:
    """Add a run for each rule whose moment has come; moments that were missed count as one."""
    async with deletions.database.transaction() as connection:
        for row in await fetch(connection, "due_retention_rules", limit=_MOST_RUNS):
            stored = try_rule(row)
            if stored is None:
                await pause_unreadable(connection, row["id"])
                continue
            await add_run(connection, stored.id, RunCause.SCHEDULE)
            # The later of the two, so that a clock that was put back does not run the rule again.
            after = max(row["now"], stored.next_run_at or row["now"])
            moment = next_moment(stored.rule, after)
            await execute(connection, "reschedule_retention_rule", id=stored.id, next_run_at=moment)


async def _step_safely(deletions: Deletions, run: RetentionRun) -> bool:
    """Continue a run by a step. An error in one run stops no other; a run that always fails ends."""
    try:
        return await _step(deletions, run)
    except _PASSING:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the other rules have to go on
        reason = f"{type(error).__name__}: {error}"[:1_000]
        log.warning("retention_step_failed", run_id=str(run.id), rule_id=run.rule_id, reason=reason)
        async with deletions.database.transaction() as connection:
            await execute(connection, "count_retention_attempt", id=run.id, error=reason)
            if run.attempts + 1 >= _MOST_ATTEMPTS or isinstance(error, RuleChangedError):
                await fail_run(connection, run.id, reason=reason)
        return False


async def _step(deletions: Deletions, run: RetentionRun) -> bool:
    if run.state is RunState.PLANNING:
        await plan_run(deletions, run)
        return True
    if run.state is RunState.AWAITING_APPROVAL:
        async with deletions.database.transaction() as connection:
            await lapse_run(connection, run.id)
        return False
    return await delete_portion(deletions, run)
