"""Reading what pages show of deletions beside the deletions themselves."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from schemas.names import AccessLevel, PackageType
from schemas.statuses import ENDED, DeletionState
from service.infra.postgres.database import Connection, fetch, fetch_row
from service.infra.postgres.records import row_reader

COUNTED: Final = 1_000
"""Deletions in one state are counted up to this number."""


@dataclass(frozen=True, slots=True)
class WaitingBytes:
    """Deletions in one state, and the bytes that they have still to free."""

    state: DeletionState
    deletions: int
    bytes: int


_waiting: Final = row_reader(WaitingBytes)


async def count_states(connection: Connection, project_ids: Collection[int] | None) -> Mapping[DeletionState, int]:
    """Return how many deletions of these projects (None: of all) are in each state, up to `COUNTED` and one."""
    rows = await fetch(
        connection,
        "count_deletion_states",
        states=[state.value for state in DeletionState],
        project_ids=None if project_ids is None else list(project_ids),
        counted=COUNTED + 1,
    )
    return {DeletionState(row["state"]): row["deletions"] for row in rows}


async def waiting(connection: Connection, project_ids: Collection[int]) -> Sequence[WaitingBytes]:
    """Return what deletions of these projects have still to free, by state; at most `COUNTED` of each are counted."""
    rows = await fetch(
        connection,
        "waiting_bytes",
        states=sorted(state.value for state in set(DeletionState) - ENDED),
        project_ids=list(project_ids),
        counted=COUNTED,
    )
    return [_waiting(row) for row in rows]


async def under_way(connection: Connection, *, project_id: int, package_id: int) -> UUID | None:
    """Return the deletion of the package that has not ended, if there is one."""
    row = await fetch_row(connection, "deletion_under_way", project_id=project_id, package_id=package_id)
    found: UUID | None = row["id"] if row else None
    return found


async def of_file_under_way(connection: Connection, *, project_id: int, package_file_id: int) -> UUID | None:
    """Return the deletion of the file by itself that has not ended, if there is one."""
    row = await fetch_row(connection, "file_deletion_under_way", project_id=project_id, package_file_id=package_file_id)
    found: UUID | None = row["id"] if row else None
    return found


async def least_level_to_delete(connection: Connection, *, package_id: int) -> AccessLevel | None:
    """Return the level that the protection rules of the package ask for; None if no rule names it."""
    (row,) = await fetch(connection, "least_level_to_delete", package_id=package_id)
    return None if row["level"] is None else AccessLevel(row["level"])


async def range_of_graces(
    connection: Connection, kinds: Collection[tuple[int, PackageType]], *, default: timedelta
) -> tuple[timedelta, timedelta]:
    """Return the shortest and the longest grace of these kinds of packages, each a project and a type.

    Both are *default* for no kind at all.
    """
    pairs = sorted(kinds)
    row = await fetch_row(
        connection,
        "range_of_graces",
        project_ids=[project_id for project_id, _ in pairs],
        package_types=[package_type.value for _, package_type in pairs],
        grace=default,
    )
    return (default, default) if row is None or row["least"] is None else (row["least"], row["most"])


async def grace_for(
    connection: Connection, *, project_id: int, package_type: PackageType, default: timedelta
) -> timedelta:
    """Return how long a deletion of such a package could be undone; *default* where nothing around it says."""
    (row,) = await fetch(
        connection, "grace_of_package_type", project_id=project_id, package_type=package_type, grace=default
    )
    grace: timedelta = row["grace"]
    return grace
