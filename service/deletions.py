"""Accepting, undoing and repeating deletions: each one transaction, with its messages in it."""

from datetime import datetime, timedelta
from uuid import UUID

from schemas.names import AccessLevel
from schemas.statuses import RESTORABLE, DeletionState
from service import deletion_events
from service.errors import (
    ConflictError,
    DeletionProtectedError,
    FileNotFoundInPackageError,
    NotFoundError,
    PreconditionFailedError,
)
from service.infra import deletion_rows, outbox
from service.infra.database import Connection, Database, Record, conflicts
from service.infra.deletion_rows import Deletion, Origin


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


async def restore(database: Database, deletion_id: UUID) -> Deletion:
    """Undo a deletion of which no object can have been removed yet.

    Raises:
        NotFoundError: there is no such deletion.
        ConflictError: it is too late, or the name and version were published again.
    """
    try:
        async with database.transaction() as connection:
            deletion = await _lock_deletion(connection, deletion_id)
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


async def retry(database: Database, deletion_id: UUID, *, level: AccessLevel, resend: timedelta) -> Deletion:
    """Begin a failed deletion anew, with all its attempts; protection is judged against *level*.

    Raises:
        NotFoundError: there is no such deletion.
        ConflictError: it has not failed, or what it was about is not in `error` any more.
    """
    async with database.transaction() as connection:
        deletion = await _lock_deletion(connection, deletion_id)
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


async def _lock_package(connection: Connection, origin: Origin, project_id: int, package_id: int) -> Record:
    packages = await deletion_rows.lock_packages(
        connection, project_id=project_id, package_ids=[package_id], level=origin.requested_level
    )
    if not packages:
        raise NotFoundError
    return packages[0]


async def _lock_deletion(connection: Connection, deletion_id: UUID) -> Deletion:
    deletion = await deletion_rows.lock(connection, deletion_id)
    if deletion is None:
        raise NotFoundError
    return deletion


async def _announce(connection: Connection, deletion: Deletion) -> None:
    messages = [deletion_events.requested(deletion), outbox.command(deletion.lane, [deletion.id])]
    await outbox.append(connection, messages)


def _check_unmodified(record: Record, since: datetime | None) -> None:
    # HTTP dates have no fraction of a second.
    if since is not None and record["updated_at"].replace(microsecond=0) > since:
        raise PreconditionFailedError
