"""Deleting the list of a run in portions: each package is checked again right before its deletion is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.names import Cause, Credential, Lane
from service.deletions import counters
from service.deletions.accept import AcceptedDeletion, PackageToDelete, accept_packages
from service.deletions.deletion import Deletions, Origin
from service.infra.postgres.database import Connection, execute, fetch, fetch_row
from service.infra.postgres.records import row_reader
from service.retention.conditions import PlannedRule, RetentionReason
from service.retention.ending import finish_run
from service.retention.planning import POLICY_LEVEL, RetentionPlan, Verdict, planned
from service.retention.run_planning import RuleChangedError, rules_of_run
from service.retention.runs import RetentionRun, RunState, find_run

_MOST_OPEN: Final = 1_000
"""How many deletions may wait for workers before a run asks for more: those of people shall not wait behind them."""
_PORTION: Final = 250


@dataclass(frozen=True, slots=True)
class _ListedPackage:
    """A package on the list of a run, with its files and bytes when the list was made."""

    package_id: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _ItemOutcome:
    """The end of a package on a list, and the rule that keeps it, if it is not that of the run."""

    package_id: int
    outcome: str
    reason: str | None
    rule_id: int | None
    rule: str | None


_read_listed: Final = row_reader(_ListedPackage)


async def delete_portion(deletions: Deletions, run: RetentionRun) -> bool:
    """Ask for the next deletions of a run, if workers are not behind; return whether there may be more to do now."""
    async with deletions.database.transaction() as connection:
        # The lock on the rule comes first, as where a run is undone. A pause waits for the end of this portion.
        if await _is_paused(connection, run.rule_id):
            return False
        run = await find_run(connection, None, run.id, lock=True)
        if run.state is not RunState.DELETING:
            return False
        room: int = min(_PORTION, _MOST_OPEN - await _open_deletions(connection))
        if room <= 0:
            return False
        rows = await fetch(connection, "next_retention_items", run_id=run.id, limit=room)
        listed = [_read_listed(row) for row in rows]
        accepted = await _accept(connection, deletions, run, listed) if listed else []
        if len(listed) < room:
            await finish_run(connection, run.id)
    counters.requested(accepted)
    return len(listed) == room


async def _is_paused(connection: Connection, rule_id: int) -> bool:
    """Return whether a rule is paused, which stays so until the transaction ends; one that is gone is not."""
    row = await fetch_row(connection, "keep_retention_rule", id=rule_id)
    return row is not None and row["is_paused"]


async def _open_deletions(connection: Connection) -> int:
    """Return how many deletions of rules no worker has seen yet; no more than are allowed are counted."""
    (row,) = await fetch(connection, "open_policy_deletions", limit=_MOST_OPEN)
    found: int = row["open"]
    return found


async def _accept(
    connection: Connection, deletions: Deletions, run: RetentionRun, listed: Sequence[_ListedPackage]
) -> list[AcceptedDeletion]:
    """Accept the deletions of those packages that the rules still let go, and note why the others stay."""
    rows = await fetch(connection, "lock_retention_packages", package_ids=[each.package_id for each in listed])
    statuses = {row["id"]: row["status"] for row in rows}
    found, rules = await _judge(connection, run, list(statuses))
    outcomes = [_outcome(each, found.get(each.package_id), rules) for each in listed]
    going = [one.package_id for one in outcomes if one.outcome == "deleted"]
    packages = [PackageToDelete(each, statuses[each], POLICY_LEVEL) for each in going]
    accepted = await accept_packages(connection, deletions, _origin(run), packages) if packages else []
    await _note(connection, run, outcomes)
    return accepted


async def _note(connection: Connection, run: RetentionRun, outcomes: Sequence[_ItemOutcome]) -> None:
    await execute(
        connection,
        "note_retention_items",
        run_id=run.id,
        package_ids=[one.package_id for one in outcomes],
        outcomes=[one.outcome for one in outcomes],
        reasons=[one.reason for one in outcomes],
        rule_ids=[one.rule_id for one in outcomes],
        rules=[one.rule for one in outcomes],
    )


async def _judge(
    connection: Connection, run: RetentionRun, ids: Sequence[int]
) -> tuple[Mapping[int, Verdict], Sequence[PlannedRule]]:
    """Return the verdicts of now on packages; none where the rule is not what it was, so that all of them stay."""
    try:
        rules = planned(await rules_of_run(connection, run), deleting=[run.rule_id])
    except RuleChangedError:
        return {}, []
    verdicts = await RetentionPlan(run.place, rules, ids).verdicts(connection)
    return {one.package_id: one for one in verdicts}, rules


def _outcome(listed: _ListedPackage, verdict: Verdict | None, rules: Sequence[PlannedRule]) -> _ItemOutcome:
    if verdict is None:
        return _ItemOutcome(listed.package_id, "kept", RetentionReason.CHANGED, None, None)
    if verdict.verdict == "kept":
        keeper = rules[verdict.rule]
        return _ItemOutcome(listed.package_id, "kept", verdict.reason, keeper.id, keeper.rule.name)
    if (verdict.files, verdict.bytes) != (listed.files, listed.bytes):
        # Somebody has published or deleted files since. The list that was shown or approved did not have them.
        return _ItemOutcome(listed.package_id, "kept", RetentionReason.CHANGED, None, None)
    return _ItemOutcome(listed.package_id, verdict.verdict, verdict.reason, None, None)


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
