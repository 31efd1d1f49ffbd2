"""Accepting, undoing and repeating deletions: each one transaction, with its messages in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from schemas import cursors
from schemas.cursors import DeletionPosition
from schemas.names import AccessLevel
from schemas.queries import DeletionListing
from schemas.statuses import RESTORABLE, DeletionState
from service import access, deletion_events
from service.access import Caller
from service.errors import (
    BadParametersError,
    ConflictError,
    DeletionProtectedError,
    FileNotFoundInPackageError,
    NotFoundError,
    PreconditionFailedError,
)
from service.infra import deletion_rows, deletion_view_rows, outbox
from service.infra.access_rows import Group, Project
from service.infra.database import Connection, Database, Record, conflicts
from service.infra.deletion_rows import Deletion, Origin


@dataclass(frozen=True, slots=True)
class Listed:
    """Deletions of a page, newest first, and the cursor of the page behind it."""

    rows: list[Record]
    next_cursor: str | None


async def delete_package(
    database: Database,
    origin: Origin,
    *,
    project_id: int,
    root_group_id: int,
    package_id: int,
    unmodified_since: datetime | None,
    resend: timedelta,
) -> Deletion:
    """Accept the deletion of a package: hide it, record it, and tell workers and subscribers.

    Raises:
        NotFoundError: the package is not in the project, or its status cannot be addressed.
        DeletionProtectedError: a protection rule demands a higher level.
        PreconditionFailedError: it was changed after *unmodified_since*.
    """
    async with database.transaction() as connection:
        package = await _lock_package(connection, origin, project_id, package_id)
        if package["protected"]:
            raise DeletionProtectedError
        _check_unmodified(package, unmodified_since)
        (deletion,) = await deletion_rows.insert_for_packages(
            connection,
            origin,
            root_group_id=root_group_id,
            prior_statuses={package_id: package["status"]},
            new_ids=[(outbox.new_id(), outbox.new_id())],
            resend=resend,
        )
        await _announce(connection, deletion)
    return deletion


async def delete_package_file(
    database: Database,
    origin: Origin,
    *,
    project_id: int,
    root_group_id: int,
    package_id: int,
    package_file_id: int,
    unmodified_since: datetime | None,
    resend: timedelta,
) -> Deletion:
    """Accept the deletion of one file of a package.

    Raises:
        NotFoundError: the package is not in the project, or its status cannot be addressed.
        DeletionProtectedError: a protection rule demands a higher level.
        FileNotFoundInPackageError: the file is not one of the package, or is being deleted already.
        PreconditionFailedError: it was changed after *unmodified_since*.
    """
    async with database.transaction() as connection:
        package = await _lock_package(connection, origin, project_id, package_id)
        if package["protected"]:
            raise DeletionProtectedError
        file = await deletion_rows.lock_file(connection, package_id=package_id, package_file_id=package_file_id)
        if file is None:
            raise FileNotFoundInPackageError
        _check_unmodified(file, unmodified_since)
        deletion = await deletion_rows.insert_for_file(
            connection,
            origin,
            root_group_id=root_group_id,
            package_file_id=package_file_id,
            new_ids=(outbox.new_id(), outbox.new_id()),
            resend=resend,
        )
        await _announce(connection, deletion)
    return deletion


async def restore(database: Database, deletion_id: UUID, *, project_id: int | None = None) -> Deletion:
    """Undo a deletion of which no object can have been removed yet.

    Raises:
        NotFoundError: there is no such deletion, or none of that project.
        ConflictError: it is too late, or the name and version were published again.
    """
    try:
        async with database.transaction() as connection:
            deletion = await _lock_deletion(connection, deletion_id, project_id)
            if deletion.state not in RESTORABLE:
                raise ConflictError(f"the deletion is {deletion.state} and cannot be restored any more")
            is_of_file = deletion.package_file_id is not None
            if is_of_file and not await deletion_rows.is_package_displayed(connection, deletion.package_id):
                raise ConflictError("the package of the file is being deleted itself")
            deletion = await deletion_rows.restore(connection, deletion)
            await outbox.append(connection, [deletion_events.restored(deletion)])
    except conflicts() as error:
        raise ConflictError("the same name and version has been published again") from error
    return deletion


async def retry(
    database: Database, deletion_id: UUID, *, level: AccessLevel, resend: timedelta, project_id: int | None = None
) -> Deletion:
    """Begin a failed deletion anew, with all its attempts; protection is judged against *level*.

    Raises:
        NotFoundError: there is no such deletion, or none of that project.
        ConflictError: it has not failed, or what it was about is not in `error` any more.
    """
    async with database.transaction() as connection:
        deletion = await _lock_deletion(connection, deletion_id, project_id)
        if deletion.state is not DeletionState.FAILED:
            raise ConflictError(f"the deletion is {deletion.state}, only a failed one can be retried")
        again = await deletion_rows.queue_again(connection, deletion, level=level, resend=resend)
        if again is None:
            raise ConflictError("what is left of the package is not in status error any more")
        await outbox.append(connection, [outbox.command(again.lane, [again.id])])
    return again


async def find(database: Database, deletion_id: UUID) -> Deletion:
    """Return the deletion.

    Raises:
        NotFoundError: there is no such deletion.
    """
    async with database.connection() as connection:
        deletion = await deletion_rows.find(connection, deletion_id)
    if deletion is None:
        raise NotFoundError
    return deletion


async def newest(
    database: Database, *, state: DeletionState | None, project_id: int | None, limit: int
) -> list[Deletion]:
    """Return at most *limit* deletions, newest first."""
    async with database.connection() as connection:
        return await deletion_rows.newest(connection, state=state, project_id=project_id, limit=limit)


async def show(connection: Connection, project_id: int, deletion_id: UUID) -> Record:
    """Return a deletion of the project, with who asked for it.

    Raises:
        NotFoundError: the project has no such deletion.
    """
    row = await deletion_view_rows.find_in_project(connection, project_id=project_id, deletion_id=deletion_id)
    if row is None:
        raise NotFoundError
    return row


async def list_in_project(connection: Connection, project: Project, listing: DeletionListing) -> Listed:
    """Return a page of the project's deletions.

    Raises:
        BadParametersError: the cursor is not one of ours.
    """
    return await _list(connection, [project.id], listing)


async def list_in_group(connection: Connection, caller: Caller, group: Group, listing: DeletionListing) -> Listed:
    """Return a page of the deletions in those projects below the group whose packages the caller may read.

    Raises:
        BadParametersError: the cursor is not one of ours.
    """
    projects = await access.readable_projects(connection, caller, group)
    return await _list(connection, [project.id for project in projects.values() if project.packages_enabled], listing)


async def _list(connection: Connection, project_ids: Sequence[int], listing: DeletionListing) -> Listed:
    position = cursors.decoded(listing.cursor, DeletionPosition) if listing.cursor else None
    if listing.cursor and position is None:
        raise BadParametersError("cursor is invalid")
    found = await deletion_view_rows.list_newest(
        connection, project_ids, listing, behind=position.id if position else None
    )
    follows = cursors.encoded(DeletionPosition(id=found.rows[-1]["id"])) if found.has_more else None
    return Listed(found.rows, follows)


async def _lock_package(connection: Connection, origin: Origin, project_id: int, package_id: int) -> Record:
    packages = await deletion_rows.lock_packages(
        connection, project_id=project_id, package_ids=[package_id], level=origin.requested_level
    )
    if not packages:
        raise NotFoundError
    return packages[0]


async def _lock_deletion(connection: Connection, deletion_id: UUID, project_id: int | None) -> Deletion:
    deletion = await deletion_rows.lock(connection, deletion_id)
    if deletion is None or project_id not in {None, deletion.project_id}:
        raise NotFoundError
    return deletion


async def _announce(connection: Connection, deletion: Deletion) -> None:
    messages = [deletion_events.requested(deletion), outbox.command(deletion.lane, [deletion.id])]
    await outbox.append(connection, messages)


def _check_unmodified(record: Record, since: datetime | None) -> None:
    # HTTP dates have no fraction of a second.
    if since is not None and record["updated_at"].replace(microsecond=0) > since:
        raise PreconditionFailedError
