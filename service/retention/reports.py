"""Reports of runs: what became of each package that its rule is about, and what its deletions have freed."""

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from schemas.names import PackageType
from schemas.statuses import DeletionState
from service.infra.postgres.composing import Values, literal
from service.infra.postgres.database import Connection, execute, fetch, fetch_composed, stream_composed
from service.infra.postgres.records import row_reader
from service.retention.planning import ListWish
from service.retention.runs import DeletionProgress, OutcomeTotals, RetentionRun, outcomes_of, progress_of


@dataclass(frozen=True, slots=True)
class ReportedItem:
    """A package on the list of a run."""

    package_id: int
    project_id: int
    package_type: PackageType | None
    """None, as the name, for one that stayed and is gone by now."""
    name: str | None
    version: str | None
    files: int
    bytes: int
    outcome: str
    reason: str | None
    rule_id: int
    rule: str
    deletion_id: UUID | None
    deletion_state: str | None
    bytes_freed: int


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The totals of a run's list, and the progress of its deletions."""

    totals: Sequence[OutcomeTotals]
    progress: Sequence[DeletionProgress]
    has_all: bool
    """Whether the report lists the packages that stayed, too, if there are any; only the newest runs of a rule do."""

    @property
    def is_undone(self) -> bool:
        """Whether all that the run deleted was restored."""
        return {one.state for one in self.progress} == {DeletionState.RESTORED}


_OF_UNDONE: Final = re.compile(r"its run ([0-9a-f-]{36}) was undone")
"""The reason that `pause_undone_rule` gives to a pause."""

MOST_LISTING: Final = 10
"""How many of the newest runs of a rule list the packages that stayed; older ones have only their totals."""
_MOST_FORGOTTEN: Final = 10_000
"""So many rows of these lists, of up to 1,000 packages each, are removed at a time."""

_EVERYTHING: Final = ListWish(limit=2**62)
_read_item: Final = row_reader(ReportedItem)


async def outcome_of(connection: Connection, run: RetentionRun) -> RunOutcome:
    """Return what became of the list of a run."""
    some_stay = any(one["verdict"] == "kept" for one in run.verdicts)
    return RunOutcome(
        await outcomes_of(connection, run.id),
        await progress_of(connection, run.id),
        has_all=not some_stay or await _lists_kept(connection, run.id),
    )


async def undone_among(connection: Connection, runs: Collection[RetentionRun]) -> frozenset[UUID]:
    """Return the numbers of those runs whose deletions were all undone."""
    ids = [run.id for run in runs if not run.dry_run and run.packages]
    rows = await fetch(connection, "undone_retention_runs", ids=ids, restored=DeletionState.RESTORED) if ids else []
    return frozenset(row["id"] for row in rows)


def undone_run_in(pause_reason: str | None) -> str | None:
    """Return the number of the run whose undoing has paused a rule; None if the pause has another reason."""
    found = _OF_UNDONE.fullmatch(pause_reason or "")
    return found and found[1]


async def stream_items(connection: Connection, run_id: UUID) -> AsyncIterator[ReportedItem]:
    """Give the packages of a run, and those that it left, however many there are; within a transaction."""
    values = Values()
    async for row in stream_composed(connection, "retention_items", _parts(values, run_id, _EVERYTHING), values.all):
        yield _read_item(row)


async def list_items(connection: Connection, run_id: UUID, wish: ListWish) -> list[ReportedItem]:
    """Return a page of the packages of a run, and of those that it left."""
    values = Values()
    rows = await fetch_composed(connection, "retention_items", _parts(values, run_id, wish), values.all)
    return [_read_item(row) for row in rows]


async def forget_kept(connection: Connection, rule_id: int) -> int:
    """Remove the lists of packages that stayed of all but the newest runs of a rule; at most some runs at a time."""
    return await execute(connection, "forget_retention_kept", rule_id=rule_id, runs=MOST_LISTING, limit=_MOST_FORGOTTEN)


async def _lists_kept(connection: Connection, run_id: UUID) -> bool:
    """Return whether the list of a run has packages that stayed."""
    (row,) = await fetch(connection, "retention_lists_kept", run_id=run_id)
    return bool(row["lists_kept"])


def _parts(values: Values, run_id: UUID, wish: ListWish) -> Mapping[str, str]:
    return {
        "run_id": values.place(run_id, "uuid"),
        "outcome": values.place(wish.verdict, "text"),
        "project": values.place(wish.after[0], "bigint"),
        "package": values.place(wish.after[1], "bigint"),
        "limit": literal(wish.limit),
    }
