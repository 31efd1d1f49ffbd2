"""Deletions and the rows that they move: one function a query, each guarded by the table of moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from schemas.names import AccessLevel, Cause, Credential, PackageType
from schemas.statuses import (
    DISPLAYABLE,
    DISPLAYABLE_FILES,
    FILE_MOVES,
    PACKAGE_MOVES,
    DeletionState,
    FileStatus,
    PackageStatus,
    sources_of,
)
from schemas.topology import Lane
from service.infra.database import Connection, Record, execute, fetch, fetch_row


@dataclass(frozen=True, slots=True)
class Deletion:
    """A row of the table `deletion`."""

    id: UUID
    project_id: int
    root_group_id: int
    package_id: int
    package_file_id: int | None
    package_type: PackageType
    package_name: str
    package_version: str | None
    file_name: str | None
    prior_status: PackageStatus
    lane: Lane
    cause: Cause
    reason: str | None
    requested_by: int | None
    credential: Credential
    request_id: str | None
    request_event_id: UUID
    requested_at: datetime
    state: DeletionState
    files_total: int
    bytes_total: int
    files_done: int
    bytes_done: int
    attempts: int
    last_error: str | None
    not_before: datetime
    marked_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked for a deletion, with what, how and why."""

    requested_by: int | None
    requested_level: AccessLevel
    credential: Credential
    cause: Cause
    lane: Lane
    reason: str | None = None
    request_id: str | None = None


_ENUMS = {
    "package_type": PackageType,
    "prior_status": PackageStatus,
    "lane": Lane,
    "cause": Cause,
    "credential": Credential,
    "state": DeletionState,
}
_COLUMNS = tuple(column.name for column in fields(Deletion))


def read(row: Record) -> Deletion:
    """Return the row as a deletion."""
    values: dict[str, Any] = {column: row[column] for column in _COLUMNS}
    for column, kind in _ENUMS.items():
        values[column] = kind(values[column])
    return Deletion(**values)


async def lock_packages(
    connection: Connection, *, project_id: int, package_ids: Sequence[int], level: AccessLevel
) -> list[Record]:
    """Hold those of the packages that may be addressed; each row tells whether it is protected against *level*."""
    return await fetch(
        connection,
        "lock_packages",
        project_id=project_id,
        package_ids=list(package_ids),
        level=level,
        statuses=sorted(DISPLAYABLE),
    )


async def lock_file(connection: Connection, *, package_id: int, package_file_id: int) -> Record | None:
    """Hold the file, if it is one of that package and may be addressed."""
    return await fetch_row(
        connection,
        "lock_file",
        package_id=package_id,
        package_file_id=package_file_id,
        statuses=sorted(DISPLAYABLE_FILES),
    )


async def insert_for_packages(
    connection: Connection,
    origin: Origin,
    *,
    root_group_id: int,
    prior_statuses: Mapping[int, str],
    new_ids: Sequence[tuple[UUID, UUID]],
    resend: timedelta,
) -> list[Deletion]:
    """Move locked packages (id -> status) to `processing` and insert their deletions; *new_ids*: (deletion, event)."""
    rows = await fetch(
        connection,
        "insert_package_deletions",
        package_ids=list(prior_statuses),
        prior_statuses=list(prior_statuses.values()),
        deletion_ids=[deletion_id for deletion_id, _ in new_ids],
        event_ids=[event_id for _, event_id in new_ids],
        sources=sources_of(PACKAGE_MOVES, PackageStatus.PROCESSING),
        root_group_id=root_group_id,
        resend=resend,
        **_origin(origin),
    )
    return [read(row) for row in rows]


async def insert_for_file(
    connection: Connection,
    origin: Origin,
    *,
    root_group_id: int,
    package_file_id: int,
    new_ids: tuple[UUID, UUID],
    resend: timedelta,
) -> Deletion:
    """Move the locked file to `processing` and insert its deletion."""
    (row,) = await fetch(
        connection,
        "insert_file_deletion",
        package_file_id=package_file_id,
        deletion_id=new_ids[0],
        event_id=new_ids[1],
        sources=sources_of(FILE_MOVES, FileStatus.PROCESSING),
        root_group_id=root_group_id,
        resend=resend,
        **_origin(origin),
    )
    return read(row)


async def find(connection: Connection, deletion_id: UUID) -> Deletion | None:
    """Return the deletion."""
    row = await fetch_row(connection, "find_deletion", id=deletion_id)
    return read(row) if row else None


async def lock(connection: Connection, deletion_id: UUID) -> Deletion | None:
    """Return the deletion, held until the transaction ends."""
    row = await fetch_row(connection, "lock_deletion", id=deletion_id)
    return read(row) if row else None


async def newest(
    connection: Connection, *, state: DeletionState | None, project_id: int | None, limit: int
) -> list[Deletion]:
    """Return the newest deletions, newest first."""
    rows = await fetch(connection, "newest_deletions", state=state, project_id=project_id, limit=limit)
    return [read(row) for row in rows]


async def is_package_displayed(connection: Connection, package_id: int) -> bool:
    """Tell whether the package is not being deleted itself; it stays so until the transaction ends."""
    return bool(
        await fetch(connection, "lock_displayed_packages", package_ids=[package_id], statuses=sorted(DISPLAYABLE))
    )


async def restore(connection: Connection, deletion: Deletion) -> Deletion:
    """Give a locked, restorable deletion's package and files back as they were."""
    was_in_error = deletion.prior_status is PackageStatus.ERROR
    file_status = FileStatus.ERROR if was_in_error else FileStatus.DEFAULT
    if deletion.package_file_id is None:
        await execute(
            connection,
            "restore_package",
            package_id=deletion.package_id,
            prior_status=deletion.prior_status,
            sources=sources_of(PACKAGE_MOVES, deletion.prior_status),
        )
    await execute(
        connection,
        "restore_files",
        package_id=deletion.package_id,
        package_file_id=deletion.package_file_id,
        status=file_status,
        sources=sources_of(FILE_MOVES, file_status),
        deletion_id=deletion.id,
    )
    (row,) = await fetch(connection, "end_as_restored", id=deletion.id)
    return read(row)


async def queue_again(
    connection: Connection, deletion: Deletion, *, level: AccessLevel, resend: timedelta
) -> Deletion | None:
    """Begin a locked, failed deletion anew; None when what it was about is not in `error` any more."""
    if deletion.package_file_id is None:
        reopened = await execute(connection, "reopen_package", package_id=deletion.package_id)
    else:
        reopened = await execute(connection, "reopen_file", package_file_id=deletion.package_file_id)
    if not reopened:
        return None
    (row,) = await fetch(connection, "queue_again", id=deletion.id, resend=resend, requested_level=level)
    return read(row)


def _origin(origin: Origin) -> dict[str, object]:
    return {column.name: getattr(origin, column.name) for column in fields(origin)}
