"""Acts of users on accepted deletions: who acts, on which deletion, and the note of it.

The roles that may act are in `service.access.access`; the routes ask for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from schemas.names import AccessLevel, Action, Credential
from service.deletions.deletion import Deletion, read
from service.infra.postgres.database import Connection, execute, fetch, fetch_row
from service.refusals import DeletionHeldError, NotFoundError


@dataclass(frozen=True, slots=True)
class Actor:
    """The user that acts on a deletion, and the credential of that user."""

    user_id: int | None
    credential: Credential
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class DeletionChange:
    """A request to restore a deletion, to retry it, or to end its grace."""

    deletion_id: UUID
    actor: Actor
    project_id: int | None = None
    """Where the deletion has to be; None for anywhere."""
    level: AccessLevel = AccessLevel.ADMIN
    """The actor's: a retry is judged against it."""
    rename_to: str | None = None
    """The version as which a package comes back; None for its own."""


async def lock_deletion(connection: Connection, change: DeletionChange) -> Deletion:
    """Return the deletion that is to change, locked until the transaction ends.

    Raises:
        NotFoundError: there is no such deletion, or none of that project.
    """
    row = await fetch_row(connection, "lock_deletion", id=change.deletion_id)
    if row is None or change.project_id not in {None, row["project_id"]}:
        raise NotFoundError
    return read(row)


async def require_no_hold(connection: Connection, project_id: int) -> None:
    """Check that deletions of the project may continue.

    Raises:
        DeletionHeldError: a hold keeps everything there from being deleted.
    """
    (row,) = await fetch(connection, "hold_on_project", project_id=project_id)
    if row["hold"] is not None:
        raise DeletionHeldError(row["hold"])


async def note_act(connection: Connection, ids: Sequence[UUID], action: Action, actor: Actor) -> None:
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
