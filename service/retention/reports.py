"""Reports of runs: what became of the packages on the list of a run, and what their deletions have freed."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from schemas.names import PackageType
from service.infra.postgres.composing import Values
from service.infra.postgres.database import Connection, stream_composed
from service.infra.postgres.records import row_reader
from service.retention.runs import DeletionProgress, OutcomeTotals, outcomes_of, progress_of


@dataclass(frozen=True, slots=True)
class ReportedItem:
    """A package on the list of a run."""

    package_id: int
    project_id: int
    package_type: PackageType
    name: str
    version: str | None
    files: int
    bytes: int
    outcome: str
    reason: str | None
    deletion_id: UUID | None
    deletion_state: str | None
    bytes_freed: int


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """The totals of a run's list, and the progress of its deletions."""

    totals: Sequence[OutcomeTotals]
    progress: Sequence[DeletionProgress]


_read_item: Final = row_reader(ReportedItem)


async def outcome_of(connection: Connection, run_id: UUID) -> RunOutcome:
    """Return what became of the list of a run."""
    return RunOutcome(await outcomes_of(connection, run_id), await progress_of(connection, run_id))


async def stream_items(connection: Connection, run_id: UUID) -> AsyncIterator[ReportedItem]:
    """Give the packages of a run, however many there are; within a transaction."""
    values = Values()
    parts = {"run_id": values.place(run_id, "uuid")}
    async for row in stream_composed(connection, "retention_items", parts, values.all):
        yield _read_item(row)
