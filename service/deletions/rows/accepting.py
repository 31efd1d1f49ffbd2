"""Deletions and the rows that they move: one function a query."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from schemas.names import AccessLevel, Cause, Credential, Lane, PackageType
from schemas.statuses import DeletionState, PackageStatus
from service.infra.postgres.database import Connection, Record, execute, fetch, fetch_row
from service.infra.postgres.queries import whole_row


@whole_row("deletion")
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
    batch_id: UUID | None
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
    removal_began_at: datetime | None
    """The first moment at which an object may have gone."""
    finished_at: datetime | None
    restored_as: str | None
    """The version under which a restored package came back, if it is another one."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a deletion: its user, credential, way and reason."""

    requested_by: int | None
    requested_level: AccessLevel
    credential: Credential
    cause: Cause
    lane: Lane
    reason: str | None = None
    request_id: str | None = None
    batch_id: UUID | None = None
    """The call that asks for many deletions together."""


@dataclass(frozen=True, slots=True)
class PackageToDelete:
    """A locked package that is to be deleted, with the ids that this will have."""

    id: int
    status: str
    level: AccessLevel
    """The caller's, in the package's project."""
    deletion_id: UUID
    event_id: UUID


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
    """Lock those of the packages that may be addressed; each row says whether it is protected against *level*."""
    return await fetch(
        connection,
        "lock_packages",
        project_id=project_id,
        package_ids=list(package_ids),
        level=level,
    )


async def lock_file(connection: Connection, *, package_id: int, package_file_id: int) -> Record | None:
    """Hold the file, if it is one of that package and may be addressed."""
    return await fetch_row(
        connection,
        "lock_file",
        package_id=package_id,
        package_file_id=package_file_id,
    )


async def insert_for_packages(
    connection: Connection, origin: Origin, packages: Sequence[PackageToDelete], *, resend: timedelta
) -> list[Deletion]:
    """Move locked packages to `processing` and insert their deletions."""
    rows = await fetch(
        connection,
        "insert_package_deletions",
        package_ids=[package.id for package in packages],
        prior_statuses=[package.status for package in packages],
        levels=[package.level for package in packages],
        deletion_ids=[package.deletion_id for package in packages],
        event_ids=[package.event_id for package in packages],
        resend=resend,
        requested_by=origin.requested_by,
        credential=origin.credential,
        cause=origin.cause,
        lane=origin.lane,
        reason=origin.reason,
        request_id=origin.request_id,
        batch_id=origin.batch_id,
    )
    return [read(row) for row in rows]


async def insert_for_file(
    connection: Connection,
    origin: Origin,
    *,
    package_file_id: int,
    new_ids: tuple[UUID, UUID],
    resend: timedelta,
) -> Deletion:
    """Move the locked file to `processing` and insert its deletion; *new_ids*: (deletion, event)."""
    (row,) = await fetch(
        connection,
        "insert_file_deletion",
        package_file_id=package_file_id,
        deletion_id=new_ids[0],
        event_id=new_ids[1],
        requested_level=origin.requested_level,
        resend=resend,
        requested_by=origin.requested_by,
        credential=origin.credential,
        cause=origin.cause,
        lane=origin.lane,
        reason=origin.reason,
        request_id=origin.request_id,
    )
    return read(row)


async def find(connection: Connection, deletion_id: UUID) -> Deletion | None:
    """Return the deletion."""
    row = await fetch_row(connection, "find_deletion", id=deletion_id)
    return read(row) if row else None


async def prune(connection: Connection, *, older_than: timedelta, limit: int) -> int:
    """Remove records of deletions that ended longer ago than that; return how many."""
    return await execute(connection, "prune_deletions", older_than=older_than, limit=limit)
