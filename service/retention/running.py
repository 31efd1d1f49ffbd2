"""Carrying runs out: planned in one transaction, and deleted in small ones, so that a kill loses no more than one."""

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from schemas.names import Cause, Credential, Lane
from service.deletions import counters
from service.deletions.accept import PackageToDelete, accept_packages
from service.deletions.deletion import Deletion, Deletions, Origin
from service.errors import PackyardError
from service.events import outbox
from service.infra.postgres.database import (
    Connection,
    DatabaseUnavailableError,
    execute,
    fetch,
    fetch_row,
    interferences,
)
from service.observing import metrics
from service.retention.announcing import finished_events, planned_events, written_totals
from service.retention.conditions import RetentionReason
from service.retention.planning import (
    POLICY_LEVEL,
    RetentionPlan,
    Verdict,
    VerdictTotals,
    begin_planning,
    listed_packages,
    planned,
)
from service.retention.rules import StoredRule, note_seen, read_rule, rules_around
from service.retention.runs import (
    PATIENCE,
    RetentionRun,
    RunCause,
    RunState,
    add_run,
    find_run,
    outcomes_of,
    read_run,
)
from service.retention.schedule import next_moment

_MOST_OPEN: Final = 1_000
"""How many deletions may wait for workers before a run asks for more: those of people shall not wait behind them."""
_PORTION: Final = 250
_MOST_RUNS: Final = 100
_MOST_ATTEMPTS: Final = 5
_FEW: Final = 100
"""So many packages of a project go without approval, whatever share they are."""

_PASSING: Final[tuple[type[Exception], ...]] = (*DatabaseUnavailableError, *interferences())
"""The errors that are nobody's fault: the same step succeeds later."""

log = structlog.get_logger()


class RuleChangedError(PackyardError):
    """The rule of a run is not what it was."""


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
            stored = read_rule(row)
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
                await execute(connection, "fail_retention_run", id=run.id, error=reason)
                metrics.RETENTION_RUNS.labels(RunState.FAILED).inc()
        return False


async def _step(deletions: Deletions, run: RetentionRun) -> bool:
    if run.state is RunState.PLANNING:
        await _plan(deletions, run)
        return True
    if run.state is RunState.AWAITING_APPROVAL:
        async with deletions.database.transaction() as connection:
            await execute(connection, "lapse_retention_run", id=run.id)
        metrics.RETENTION_RUNS.labels(RunState.LAPSED).inc()
        return False
    return await _delete(deletions, run)


async def _plan(deletions: Deletions, run: RetentionRun) -> None:
    async with deletions.database.transaction() as connection:
        run = await find_run(connection, None, run.id, lock=True)
        if run.state is not RunState.PLANNING:
            return
        rules = await _rules_of(connection, run)
        taking_part = planned(rules, deleting=[run.rule_id])
        await begin_planning(connection)
        totals = await RetentionPlan(run.place, taking_part).store(connection, run.id)
        run = await _note_plan(connection, run, totals, written_totals(totals, taking_part))
        if run.dry_run:
            await note_seen(connection, [rule for rule in rules if _is_of(rule, run)])
        await outbox.append(connection, planned_events(run, totals))
    log.info("retention_planned", run_id=str(run.id), rule_id=run.rule_id, state=run.state, packages=run.packages)
    if run.finished_at is not None:
        metrics.RETENTION_RUNS.labels(run.state).inc()


async def _note_plan(
    connection: Connection, run: RetentionRun, totals: Sequence[VerdictTotals], verdicts: str
) -> RetentionRun:
    going = [one for one in totals if one.verdict == "deleted"]
    (row,) = await fetch(
        connection,
        "note_retention_plan",
        id=run.id,
        state=await _state_after(connection, run, going),
        packages=sum(one.packages for one in going),
        files=sum(one.files for one in going),
        bytes=sum(one.bytes for one in going),
        totals=verdicts,
        patience=PATIENCE,
    )
    return read_run(row)


async def _rules_of(connection: Connection, run: RetentionRun) -> list[StoredRule]:
    """Return the rules that count for a run: its own, if it is what it was, and all that keep.

    Raises:
        RuleChangedError: its own was changed, removed or switched off.
    """
    rules = await rules_around(connection, run.place)
    if not any(_is_of(rule, run) for rule in rules):
        raise RuleChangedError("the rule was changed, removed or switched off")
    return rules


def _is_of(rule: StoredRule, run: RetentionRun) -> bool:
    return (rule.id, rule.version) == (run.rule_id, run.rule_version) and rule.rule.enabled


async def _state_after(connection: Connection, run: RetentionRun, totals: Sequence[VerdictTotals]) -> RunState:
    """Return the next state of a run whose plan has these totals of packages that go."""
    if run.dry_run:
        return RunState.FINISHED
    sums: dict[int, int] = {}
    for one in totals:
        sums[one.project_id] = sums.get(one.project_id, 0) + one.packages
    going = {each: packages for each, packages in sums.items() if packages > _FEW}
    listed = await listed_packages(connection, going) if going else {}
    share = run.rule.approve_above
    if any(packages * 100 > listed.get(each, 0) * share for each, packages in going.items()):
        return RunState.AWAITING_APPROVAL
    return RunState.DELETING


async def _delete(deletions: Deletions, run: RetentionRun) -> bool:
    """Ask for the next deletions of a run, if workers are not behind; return whether there may be more to do now."""
    async with deletions.database.transaction() as connection:
        run = await find_run(connection, None, run.id, lock=True)
        if run.state is not RunState.DELETING:
            return False
        room: int = min(_PORTION, _MOST_OPEN - await _open_deletions(connection))
        if room <= 0:
            return False
        rows = await fetch(connection, "next_retention_items", run_id=run.id, limit=room)
        ids = [row["package_id"] for row in rows]
        accepted = await _accept(connection, deletions, run, ids) if ids else []
        if len(ids) < room:
            await _finish(connection, run)
    counters.requested(accepted)
    return len(ids) == room


async def _open_deletions(connection: Connection) -> int:
    """Return how many deletions of rules no worker has seen yet; no more than are allowed are counted."""
    (row,) = await fetch(connection, "open_policy_deletions", limit=_MOST_OPEN)
    found: int = row["open"]
    return found


async def _accept(
    connection: Connection, deletions: Deletions, run: RetentionRun, ids: Sequence[int]
) -> list[Deletion]:
    """Accept the deletions of those packages that the rules still let go, and note why the others stay."""
    rows = await fetch(connection, "lock_retention_packages", package_ids=ids)
    statuses = {row["id"]: row["status"] for row in rows}
    found = await _judge(connection, run, list(statuses))
    going = [each for each in ids if each in found and found[each].verdict == "deleted"]
    packages = [PackageToDelete(each, statuses[each], POLICY_LEVEL) for each in going]
    accepted = await accept_packages(connection, deletions, _origin(run), packages) if packages else []
    outcomes = {each: _outcome(found.get(each)) for each in ids}
    await execute(
        connection,
        "note_retention_items",
        run_id=run.id,
        package_ids=list(ids),
        outcomes=[outcomes[each][0] for each in ids],
        reasons=[outcomes[each][1] for each in ids],
    )
    return accepted


async def _judge(connection: Connection, run: RetentionRun, ids: Sequence[int]) -> Mapping[int, Verdict]:
    """Return the verdicts of now on packages; none where the rule is not what it was, so that all of them stay."""
    try:
        rules = planned(await _rules_of(connection, run), deleting=[run.rule_id])
    except RuleChangedError:
        return {}
    verdicts = await RetentionPlan(run.place, rules, ids).verdicts(connection)
    return {one.package_id: one for one in verdicts}


def _outcome(verdict: Verdict | None) -> tuple[str, str | None]:
    if verdict is None:
        return "kept", RetentionReason.CHANGED
    return verdict.verdict, verdict.reason


def _origin(run: RetentionRun) -> Origin:
    return Origin(
        requested_by=run.approved_by or run.requested_by,
        requested_level=POLICY_LEVEL,
        credential=Credential.RETENTION_RULE,
        cause=Cause.POLICY,
        lane=Lane.BULK,
        reason=f"retention rule {run.rule_name}",
        batch_id=run.id,
    )


async def _finish(connection: Connection, run: RetentionRun) -> None:
    row = await fetch_row(connection, "finish_retention_run", id=run.id)
    if row is None:
        return
    outcomes = await outcomes_of(connection, run.id)
    await outbox.append(connection, await finished_events(connection, run, outcomes))
    metrics.RETENTION_RUNS.labels(RunState.FINISHED).inc()
    log.info("retention_finished", run_id=str(run.id), rule_id=run.rule_id)
