"""The rows that move when somebody thinks again: restoring, trying again, ending a grace early."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from schemas.names import AccessLevel, Action, Credential
from service.deletions.rows.accepting import Deletion, read
from service.infra.postgres.database import Connection, execute, fetch, fetch_row


class Obstacle(StrEnum):
    """Why a deletion whose state allows it cannot be undone."""

    TAKEN = "taken"
    PACKAGE_DELETED = "package_deleted"
    NOT_IN_ERROR = "not_in_error"
    EMPTIED = "emptied"
    GONE = "gone"
    BEGUN = "begun"


@dataclass(frozen=True, slots=True)
class Actor:
    """The user that acts on a deletion, and the credential of that user."""

    user_id: int | None
    credential: Credential
    request_id: str | None = None


async def lock(connection: Connection, deletion_id: UUID) -> Deletion | None:
    """Return the deletion, locked until the transaction ends."""
    row = await fetch_row(connection, "lock_deletion", id=deletion_id)
    return read(row) if row else None


async def lock_batch(connection: Connection, batch_id: UUID, project_ids: Collection[int] | None) -> list[Deletion]:
    """Return the deletions of a batch in these projects (None: in all), locked until the transaction ends."""
    places = None if project_ids is None else list(project_ids)
    rows = await fetch(connection, "lock_deletions_of_batch", batch_id=batch_id, project_ids=places)
    return [read(row) for row in rows]


async def obstacles(connection: Connection, ids: Sequence[UUID], *, version: str | None) -> Mapping[UUID, Obstacle]:
    """Hold the packages of these deletions, and return what keeps some of them from being undone.

    *version* is the one that a package is to have from then on, None for its own.
    """
    # A worker that is about to end the last file of a package waits for this lock, or this waits for the worker.
    await fetch(connection, "lock_packages_of_deletions", ids=ids)
    rows = await fetch(
        connection,
        "obstacles_to_restoring",
        ids=ids,
        version=version,
    )
    return {row["id"]: Obstacle(row["obstacle"]) for row in rows}


async def restore(connection: Connection, ids: Sequence[UUID], *, version: str | None) -> list[Deletion]:
    """Give the packages and files of locked deletions without obstacles back as they were."""
    await execute(connection, "restore_packages", ids=ids, version=version)
    await execute(connection, "restore_files", ids=ids)
    return [read(row) for row in await fetch(connection, "end_as_restored", ids=ids, version=version)]


async def queue_again(
    connection: Connection, deletion: Deletion, *, level: AccessLevel, resend: timedelta
) -> Deletion | None:
    """Begin a locked, failed deletion anew; None when what it was about is not in `error` any more."""
    await fetch(connection, "lock_packages_of_deletions", ids=[deletion.id])
    if deletion.package_file_id is None:
        reopened = await execute(connection, "reopen_package", package_id=deletion.package_id)
    else:
        reopened = await execute(connection, "reopen_file", package_file_id=deletion.package_file_id)
    if not reopened:
        return None
    (row,) = await fetch(connection, "queue_again", id=deletion.id, resend=resend, requested_level=level)
    return read(row)


async def end_grace(connection: Connection, deletion_id: UUID, *, resend: timedelta) -> Deletion:
    """Make a locked deletion due, and let it wait for no grace."""
    (row,) = await fetch(connection, "end_grace", id=deletion_id, resend=resend)
    return read(row)


async def hold_on(connection: Connection, project_id: int) -> str | None:
    """Return why nothing of the project may be deleted now, if there is a hold."""
    (row,) = await fetch(connection, "hold_on_project", project_id=project_id)
    hold: str | None = row["hold"]
    return hold


async def note(connection: Connection, ids: Sequence[UUID], action: Action, actor: Actor) -> None:
    """Note who acted on these deletions."""
    await execute(
        connection,
        "insert_acts",
        ids=ids,
        action=action,
        user_id=actor.user_id,
        credential=actor.credential,
        request_id=actor.request_id,
    )
