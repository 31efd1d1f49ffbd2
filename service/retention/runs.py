"""Runs of rules: asking for one, finding them, approving one. The scheduler carries them out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from schemas.base import Json
from schemas.retention import RetentionKind, RetentionRule
from service.ids import new_id
from service.infra.postgres.database import Connection, execute, fetch, fetch_row
from service.infra.postgres.queries import whole_row
from service.infra.postgres.records import Record, row_reader
from service.refusals import ConflictError, NotFoundError
from service.retention.rules import RulePlace, StoredRule

PATIENCE: Final = timedelta(days=7)
"""How long a run waits for approval."""


class RunState(StrEnum):
    """How far a run is."""

    PLANNING = "planning"
    AWAITING_APPROVAL = "awaiting_approval"
    DELETING = "deleting"
    FINISHED = "finished"
    LAPSED = "lapsed"
    REFUSED = "refused"
    """Somebody refused its list. The table has `lapsed`, and who refused it."""
    FAILED = "failed"
    UNDONE = "undone"


class RunCause(StrEnum):
    """Why a run came to be."""

    SCHEDULE = "schedule"
    HAND = "hand"


@whole_row("retention_run")
@dataclass(frozen=True, slots=True)
class RetentionRun:
    """A row of the table `retention_run`."""

    id: UUID
    """Also the batch of its deletions."""
    rule_id: int
    rule_version: int
    rule_name: str
    group_id: int | None
    project_id: int | None
    definition: Json
    cause: RunCause
    dry_run: bool
    state: RunState
    requested_by: int | None
    requested_at: datetime
    planned_at: datetime | None
    approved_by: int | None
    approved_at: datetime | None
    refused_by: int | None
    refused_at: datetime | None
    lapses_at: datetime | None
    finished_at: datetime | None
    attempts: int
    error: str | None
    packages: int
    files: int
    bytes: int
    verdicts: Sequence[Json]
    """The totals of its plan, by project, verdict, rule and reason."""

    @property
    def place(self) -> RulePlace:
        """Where its rule is."""
        return RulePlace(self.group_id, self.project_id)

    @property
    def rule(self) -> RetentionRule:
        """The rule as it was when the run was asked for."""
        return RetentionRule.as_stored(self.definition)


_run: Final = row_reader(RetentionRun)


def read_run(record: Record) -> RetentionRun:
    """Return the run that a record holds."""
    run = _run(record)
    return run if run.refused_at is None else replace(run, state=RunState.REFUSED)


@dataclass(frozen=True, slots=True)
class OutcomeTotals:
    """Packages of a run in one project that ended alike."""

    project_id: int
    outcome: str
    reason: str | None
    packages: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class DeletionProgress:
    """How many deletions of a run are in one state, and what they have freed."""

    state: str
    deletions: int
    bytes_done: int
    first_due: datetime
    """When a worker may take the first of them; in grace, the end of the grace."""


_outcome: Final = row_reader(OutcomeTotals)
_progress: Final = row_reader(DeletionProgress)


async def ask_for_run(
    connection: Connection, stored: StoredRule, *, requested_by: int | None, dry_run: bool = False
) -> RetentionRun:
    """Ask for a run by hand. It only reports if the rule says so, or if nobody has seen what its version deletes.

    Raises:
        ConflictError: the rule never runs, is off or paused, or another run of it is under way.
    """
    if stored.rule.kind is RetentionKind.KEEP:
        raise ConflictError("a rule that keeps never runs")
    if not stored.rule.enabled:
        raise ConflictError("the rule is not enabled")
    if stored.paused_at is not None and not dry_run:
        raise ConflictError(f"the rule is paused: {stored.pause_reason}; resume it first")
    run = await add_run(connection, stored.id, RunCause.HAND, requested_by=requested_by, dry_run=dry_run)
    if run is None:
        raise ConflictError("another run of the rule is under way")
    return run


async def add_run(
    connection: Connection, rule_id: int, cause: RunCause, *, requested_by: int | None = None, dry_run: bool = False
) -> RetentionRun | None:
    """Add a run that is to be planned; None while another run of the rule is open."""
    row = await fetch_row(
        connection,
        "add_retention_run",
        id=new_id(),
        rule_id=rule_id,
        cause=cause,
        requested_by=requested_by,
        dry_run=dry_run,
    )
    return None if row is None else read_run(row)


async def open_run(connection: Connection, rule_id: int) -> RetentionRun | None:
    """Return the run of a rule that is under way."""
    row = await fetch_row(connection, "open_retention_run", rule_id=rule_id)
    return None if row is None else read_run(row)


async def list_runs(connection: Connection, place: RulePlace, *, limit: int, offset: int = 0) -> list[RetentionRun]:
    """Return the newest runs of the rules of exactly this place."""
    rows = await fetch(
        connection,
        "retention_runs_of",
        group_id=place.group_id,
        project_id=place.project_id,
        limit=limit,
        offset=offset,
    )
    return [read_run(row) for row in rows]


async def newest_runs(connection: Connection, *, rule_id: int | None, limit: int) -> list[RetentionRun]:
    """Return the newest runs of all rules, or of one."""
    return [read_run(row) for row in await fetch(connection, "newest_retention_runs", rule_id=rule_id, limit=limit)]


async def find_run(
    connection: Connection, place: RulePlace | None, run_id: UUID, *, lock: bool = False
) -> RetentionRun:
    """Return a run of a rule of exactly this place, or of any if it is None.

    Raises:
        NotFoundError: there is no such run.
    """
    row = await fetch_row(connection, "lock_retention_run" if lock else "retention_run", id=run_id)
    run = None if row is None else read_run(row)
    if run is None or place not in {None, run.place}:
        raise NotFoundError
    return run


async def approve_run(
    connection: Connection, run: RetentionRun, *, user_id: int | None, packages: int, size: int
) -> RetentionRun:
    """Approve the list of a locked run, which has that many packages and bytes.

    Raises:
        ConflictError: it does not wait for approval, or has another list than the approver has seen.
    """
    if run.state is not RunState.AWAITING_APPROVAL:
        raise ConflictError(f"the run is {run.state}, and does not wait for approval")
    if (run.packages, run.bytes) != (packages, size):
        raise ConflictError(f"the run has {run.packages} packages with {run.bytes} bytes")
    (row,) = await fetch(connection, "approve_retention_run", id=run.id, user_id=user_id)
    return read_run(row)


async def outcomes_of(connection: Connection, run_id: UUID) -> list[OutcomeTotals]:
    """Return what became of the packages of a run, by project."""
    return [_outcome(row) for row in await fetch(connection, "retention_outcomes", run_id=run_id)]


async def progress_of(connection: Connection, run_id: UUID) -> list[DeletionProgress]:
    """Return how far the deletions of a run are, by state."""
    return [_progress(row) for row in await fetch(connection, "retention_progress", run_id=run_id)]


async def is_listed(connection: Connection, project_id: int, package_id: int) -> bool:
    """Return whether the project lists a package with that number."""
    rows = await fetch(connection, "retention_package", project_id=project_id, package_id=package_id)
    return bool(rows)


async def release_package(connection: Connection, package_id: int) -> int:
    """Let rules take a package again that was restored from them; return how many did not."""
    return await execute(connection, "release_spared", package_id=package_id)


async def prune(connection: Connection, *, older_than: timedelta, limit: int) -> int:
    """Remove old runs with their lists, and what spared packages that are gone; at most *limit* rows of each kind."""
    items = await execute(connection, "prune_retention_items", older_than=older_than, limit=limit)
    items += await execute(connection, "prune_retention_kept", older_than=older_than, limit=limit)
    runs = await execute(connection, "prune_retention_runs", older_than=older_than, limit=limit)
    return items + runs + await execute(connection, "prune_spared", limit=limit)
