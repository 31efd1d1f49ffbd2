"""First phase: a deletion is accepted. The package is hidden and its messages are written, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from schemas.messages.events import PackageDeletionRequested, PackageFileDeletionRequested
from schemas.names import AccessLevel, Cause, PackageType
from service.deletions import counters
from service.deletions import events as deletion_events
from service.deletions.deletion import Deletions, Origin
from service.ids import new_id
from service.infra.postgres.database import Connection, fetch, fetch_row
from service.infra.postgres.records import row_reader
from service.infra.postgres.repeating import repeated
from service.refusals import (
    DeletionHeldError,
    DeletionProtectedError,
    FileNotFoundInPackageError,
    NotFoundError,
    PreconditionFailedError,
)


@dataclass(frozen=True, slots=True)
class PackageToDelete:
    """A locked package that is to be deleted."""

    id: int
    status: str
    level: AccessLevel
    """The caller's, in the package's project."""


@dataclass(frozen=True, slots=True)
class AcceptedDeletion:
    """The part of an accepted deletion that callers need: a call may have 10,000 of them."""

    id: UUID
    project_id: int
    package_id: int
    package_type: PackageType
    cause: Cause
    files_total: int
    bytes_total: int


@dataclass(frozen=True, slots=True)
class _LockedPackage:
    id: int
    status: str
    updated_at: datetime
    hold: str | None
    is_protected: bool


_read_package: Final = row_reader(_LockedPackage)
_read_accepted: Final = row_reader(AcceptedDeletion)


@repeated
async def delete_package(
    deletions: Deletions, origin: Origin, *, project_id: int, package_id: int, unmodified_since: datetime | None
) -> AcceptedDeletion:
    """Accept the deletion of a package: hide it, record it, and send messages to workers and subscribers.

    Raises:
        NotFoundError: the package is not in the project, or its status cannot be addressed.
        DeletionHeldError, DeletionProtectedError: nothing there may be deleted now, or not this by the caller.
        PreconditionFailedError: it was changed after *unmodified_since*.
    """
    deletion = await _accept_undisturbed(deletions, origin, project_id, package_id, unmodified_since)
    if deletion is None:
        async with deletions.database.transaction() as connection:
            package = await _lock_package(connection, origin, project_id, package_id)
            _check_unmodified(package.updated_at, unmodified_since)
            to_delete = PackageToDelete(package.id, package.status, origin.requested_level)
            (deletion,) = await accept_packages(connection, deletions, origin, [to_delete])
    counters.requested([deletion])
    return deletion


@repeated
async def delete_package_file(
    deletions: Deletions,
    origin: Origin,
    *,
    project_id: int,
    package_id: int,
    package_file_id: int,
    unmodified_since: datetime | None,
) -> AcceptedDeletion:
    """Accept the deletion of one file of a package.

    Raises:
        NotFoundError: the package is not in the project, or its status cannot be addressed.
        DeletionHeldError, DeletionProtectedError: nothing there may be deleted now, or not this by the caller.
        FileNotFoundInPackageError: the file is not one of the package, or is being deleted already.
        PreconditionFailedError: it was changed after *unmodified_since*.
    """
    async with deletions.database.transaction() as connection:
        await _lock_package(connection, origin, project_id, package_id)
        file = await fetch_row(connection, "lock_file", package_id=package_id, package_file_id=package_file_id)
        if file is None:
            raise FileNotFoundInPackageError
        _check_unmodified(file["updated_at"], unmodified_since)
        deletion = await _insert_for_file(connection, deletions, origin, package_file_id)
    counters.requested([deletion])
    return deletion


async def accept_packages(
    connection: Connection, deletions: Deletions, origin: Origin, packages: Sequence[PackageToDelete]
) -> list[AcceptedDeletion]:
    """Move locked packages to `processing`, insert their deletions, and send their messages."""
    ids = [new_id() for _ in packages]
    commands = deletion_events.commands(origin.lane, ids)
    rows = await fetch(
        connection,
        "insert_package_deletions",
        package_ids=[package.id for package in packages],
        prior_statuses=[package.status for package in packages],
        levels=[package.level for package in packages],
        deletion_ids=ids,
        event_ids=[new_id() for _ in packages],
        resend=deletions.resend,
        requested_by=origin.requested_by,
        credential=origin.credential,
        cause=origin.cause,
        lane=origin.lane,
        reason=origin.reason,
        request_id=origin.request_id,
        batch_id=origin.batch_id,
        topic=PackageDeletionRequested.topic(),
        moment=deletion_events.moment(),
        command_key=origin.lane.routing_key,
        command_ids=[command.id for command in commands],
        commands=[command.body.model_dump_json() for command in commands],
    )
    return [_read_accepted(row) for row in rows]


async def _accept_undisturbed(
    deletions: Deletions, origin: Origin, project_id: int, package_id: int, unmodified_since: datetime | None
) -> AcceptedDeletion | None:
    """Accept in one statement; None if something is against it, or somebody else is changing the package."""
    deletion_id = new_id()
    (command,) = deletion_events.commands(origin.lane, [deletion_id])
    async with deletions.database.connection() as connection:
        row = await fetch_row(
            connection,
            "accept_package",
            project_id=project_id,
            package_id=package_id,
            unmodified_since=unmodified_since,
            level=origin.requested_level,
            deletion_id=deletion_id,
            event_id=new_id(),
            resend=deletions.resend,
            requested_by=origin.requested_by,
            credential=origin.credential,
            cause=origin.cause,
            lane=origin.lane,
            reason=origin.reason,
            request_id=origin.request_id,
            batch_id=origin.batch_id,
            topic=PackageDeletionRequested.topic(),
            moment=deletion_events.moment(),
            command_key=origin.lane.routing_key,
            command_id=command.id,
            command=command.body.model_dump_json(),
        )
    return None if row is None else _read_accepted(row)


async def _insert_for_file(
    connection: Connection, deletions: Deletions, origin: Origin, package_file_id: int
) -> AcceptedDeletion:
    deletion_id = new_id()
    commands = deletion_events.commands(origin.lane, [deletion_id])
    (row,) = await fetch(
        connection,
        "insert_file_deletion",
        package_file_id=package_file_id,
        deletion_id=deletion_id,
        event_id=new_id(),
        requested_level=origin.requested_level,
        resend=deletions.resend,
        requested_by=origin.requested_by,
        credential=origin.credential,
        cause=origin.cause,
        lane=origin.lane,
        reason=origin.reason,
        request_id=origin.request_id,
        topic=PackageFileDeletionRequested.topic(),
        moment=deletion_events.moment(),
        command_key=origin.lane.routing_key,
        command_ids=[command.id for command in commands],
        commands=[command.body.model_dump_json() for command in commands],
    )
    return _read_accepted(row)


async def _lock_package(connection: Connection, origin: Origin, project_id: int, package_id: int) -> _LockedPackage:
    row = await fetch_row(
        connection, "lock_package", project_id=project_id, package_id=package_id, level=origin.requested_level
    )
    if row is None:
        raise NotFoundError
    package = _read_package(row)
    if package.hold is not None:
        raise DeletionHeldError(package.hold)
    if package.is_protected:
        raise DeletionProtectedError
    return package


def _check_unmodified(updated_at: datetime, since: datetime | None) -> None:
    # HTTP dates have no fraction of a second.
    if since is not None and updated_at.replace(microsecond=0) > since:
        raise PreconditionFailedError
