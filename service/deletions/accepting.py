"""Accepting deletions, each in one transaction with its messages; and reading them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from schemas.http import cursors
from schemas.http.cursors import DeletionPosition
from schemas.http.deletion_parameters import DeletionListing
from service.deletions import counters
from service.deletions import events as deletion_events
from service.deletions.rows import accepting as accepting_rows
from service.deletions.rows import viewing as viewing_rows
from service.deletions.rows.accepting import Deletion, Origin, PackageToDelete
from service.events import outbox
from service.ids import new_id
from service.infra.postgres.database import Connection, Record, Sessions
from service.infra.postgres.repeating import repeated
from service.refusals import (
    BadParametersError,
    DeletionHeldError,
    DeletionProtectedError,
    FileNotFoundInPackageError,
    NotFoundError,
    PreconditionFailedError,
)


@dataclass(frozen=True, slots=True)
class DeletionPage:
    """Deletions of a page, newest first, and the cursor of the page behind it."""

    rows: Sequence[Record]
    next_cursor: str | None


@repeated
async def delete_package(
    database: Sessions,
    origin: Origin,
    *,
    project_id: int,
    package_id: int,
    unmodified_since: datetime | None,
    resend: timedelta,
) -> Deletion:
    """Accept the deletion of a package: hide it, record it, and send messages to workers and subscribers.

    Raises:
        NotFoundError: the package is not in the project, or its status cannot be addressed.
        DeletionHeldError, DeletionProtectedError: nothing there may be deleted now, or not this by the caller.
        PreconditionFailedError: it was changed after *unmodified_since*.
    """
    async with database.transaction() as connection:
        package = await _lock_package(connection, origin, project_id, package_id)
        _check_unmodified(package, unmodified_since)
        to_delete = PackageToDelete(package_id, package["status"], origin.requested_level, new_id(), new_id())
        (deletion,) = await accepting_rows.insert_for_packages(connection, origin, [to_delete], resend=resend)
        await _announce(connection, deletion)
    counters.requested([deletion])
    return deletion


@repeated
async def delete_package_file(
    database: Sessions,
    origin: Origin,
    *,
    project_id: int,
    package_id: int,
    package_file_id: int,
    unmodified_since: datetime | None,
    resend: timedelta,
) -> Deletion:
    """Accept the deletion of one file of a package.

    Raises:
        NotFoundError: the package is not in the project, or its status cannot be addressed.
        DeletionHeldError, DeletionProtectedError: nothing there may be deleted now, or not this by the caller.
        FileNotFoundInPackageError: the file is not one of the package, or is being deleted already.
        PreconditionFailedError: it was changed after *unmodified_since*.
    """
    async with database.transaction() as connection:
        await _lock_package(connection, origin, project_id, package_id)
        file = await accepting_rows.lock_file(connection, package_id=package_id, package_file_id=package_file_id)
        if file is None:
            raise FileNotFoundInPackageError
        _check_unmodified(file, unmodified_since)
        deletion = await accepting_rows.insert_for_file(
            connection,
            origin,
            package_file_id=package_file_id,
            new_ids=(new_id(), new_id()),
            resend=resend,
        )
        await _announce(connection, deletion)
    counters.requested([deletion])
    return deletion


async def find(database: Sessions, deletion_id: UUID) -> Deletion:
    """Return the deletion.

    Raises:
        NotFoundError: there is no such deletion.
    """
    async with database.connection() as connection:
        deletion = await accepting_rows.find(connection, deletion_id)
    if deletion is None:
        raise NotFoundError
    return deletion


async def show(connection: Connection, project_ids: Collection[int] | None, deletion_id: UUID) -> Record:
    """Return a deletion in one of these projects (None: in any), with who asked for it.

    Raises:
        NotFoundError: there is no such deletion.
    """
    row = await viewing_rows.find(connection, project_ids=project_ids, deletion_id=deletion_id)
    if row is None:
        raise NotFoundError
    return row


async def list_newest(
    connection: Connection, project_ids: Collection[int] | None, listing: DeletionListing
) -> DeletionPage:
    """Return a page of the deletions in these projects (None: in all).

    Raises:
        BadParametersError: the cursor is not one of ours.
    """
    position = cursors.decoded(listing.cursor, DeletionPosition) if listing.cursor else None
    if listing.cursor and position is None:
        raise BadParametersError("cursor is invalid")
    found = await viewing_rows.list_newest(connection, project_ids, listing, behind=position.id if position else None)
    follows = cursors.encoded(DeletionPosition(id=found.rows[-1]["id"])) if found.has_more else None
    return DeletionPage(found.rows, follows)


async def _lock_package(connection: Connection, origin: Origin, project_id: int, package_id: int) -> Record:
    packages = await accepting_rows.lock_packages(
        connection, project_id=project_id, package_ids=[package_id], level=origin.requested_level
    )
    if not packages:
        raise NotFoundError
    if (hold := packages[0]["hold"]) is not None:
        raise DeletionHeldError(hold)
    if packages[0]["protected"]:
        raise DeletionProtectedError
    return packages[0]


async def _announce(connection: Connection, deletion: Deletion) -> None:
    messages = [deletion_events.requested(deletion), outbox.command(deletion.lane, [deletion.id])]
    await outbox.append(connection, messages)


def _check_unmodified(record: Record, since: datetime | None) -> None:
    # HTTP dates have no fraction of a second.
    if since is not None and record["updated_at"].replace(microsecond=0) > since:
        raise PreconditionFailedError
