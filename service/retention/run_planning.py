"""Planning a run: its list is stored in one transaction, so that a kill leaves all of it or nothing."""

from collections.abc import Sequence
from typing import Final

import structlog

from service.deletions.deletion import Deletions
from service.errors import PackyardError
from service.events import outbox
from service.infra.postgres.database import Connection, fetch
from service.observing import metrics
from service.retention.announcing import planned_events, written_totals
from service.retention.planning import RetentionPlan, VerdictTotals, begin_planning, listed_packages, planned
from service.retention.reports import forget_kept
from service.retention.rules import StoredRule, note_seen, rules_around
from service.retention.runs import PATIENCE, RetentionRun, RunState, find_run, read_run

MOST_UNAPPROVED: Final = 100
"""So many packages of a project go without approval, whatever share they are."""

log = structlog.get_logger()


class RuleChangedError(PackyardError):
    """The rule of a run is not what it was."""


async def plan_run(deletions: Deletions, run: RetentionRun) -> None:
    """Plan a run, and decide whether its list may go, has to be approved, or is only a report."""
    async with deletions.database.transaction() as connection:
        run = await find_run(connection, None, run.id, lock=True)
        if run.state is not RunState.PLANNING:
            return
        rules = await rules_of_run(connection, run)
        taking_part = planned(rules, deleting=[run.rule_id])
        await begin_planning(connection)
        totals = await RetentionPlan(run.place, taking_part).store(connection, run.id)
        if run.dry_run:
            # Before the run is changed: a request for another run has the rule, and waits for a run that changes.
            await note_seen(connection, [rule for rule in rules if _is_of(rule, run)])
        await forget_kept(connection, run.rule_id)
        run = await _note_plan(connection, run, totals, written_totals(totals, taking_part))
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


async def rules_of_run(connection: Connection, run: RetentionRun) -> list[StoredRule]:
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
    going = {each: packages for each, packages in sums.items() if packages > MOST_UNAPPROVED}
    listed = await listed_packages(connection, going) if going else {}
    share = run.rule.approve_above
    if any(packages * 100 > listed.get(each, 0) * share for each, packages in going.items()):
        return RunState.AWAITING_APPROVAL
    return RunState.DELETING
