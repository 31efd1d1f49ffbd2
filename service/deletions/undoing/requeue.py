"""Letting a worker continue sooner: failed deletions are tried again, and a grace is ended early.

A user asks for it. Attempts that repeat by themselves are in `service.deletions.wake`.
"""

from schemas.names import Action
from schemas.statuses import FAILED, IN_OR_BEFORE_GRACE
from service.deletions.deletion import Deletion, Deletions, read
from service.deletions.locks import lock_packages
from service.deletions.undoing.acts import Actor, DeletionChange, lock_deletion, note_act, require_no_hold
from service.events import outbox
from service.infra.postgres.database import Connection, execute, fetch
from service.infra.postgres.repeating import repeated
from service.refusals import ConflictError


@repeated
async def retry(deletions: Deletions, change: DeletionChange) -> Deletion:
    """Begin a failed deletion anew, with all its attempts; protection is judged against the actor's level.

    Raises:
        NotFoundError: there is no such deletion, or none of that project.
        ConflictError: it has not failed, or what it was about is not in `error` any more.
        DeletionHeldError: a hold keeps everything there from being deleted.
    """
    async with deletions.database.transaction() as connection:
        deletion = await lock_deletion(connection, change)
        if deletion.state not in FAILED:
            raise ConflictError(f"the deletion is {deletion.state}, only a failed one can be retried")
        await require_no_hold(connection, deletion.project_id)
        await _reopen(connection, deletion)
        (row,) = await fetch(
            connection, "queue_again", id=deletion.id, resend=deletions.resend, requested_level=change.level
        )
        return await _send(connection, read(row), Action.RETRY, change.actor)


@repeated
async def destroy_now(deletions: Deletions, change: DeletionChange) -> Deletion:
    """Let a deletion wait for no grace, or for no more of it.

    Raises:
        NotFoundError: there is no such deletion, or none of that project.
        ConflictError: it is past its grace.
        DeletionHeldError: a hold keeps everything there from being deleted.
    """
    async with deletions.database.transaction() as connection:
        deletion = await lock_deletion(connection, change)
        if deletion.state not in IN_OR_BEFORE_GRACE:
            raise ConflictError(f"the deletion is {deletion.state} and waits for no grace")
        await require_no_hold(connection, deletion.project_id)
        (row,) = await fetch(connection, "end_grace", id=deletion.id, resend=deletions.resend)
        return await _send(connection, read(row), Action.DESTROY_NOW, change.actor)


async def _reopen(connection: Connection, deletion: Deletion) -> None:
    await lock_packages(connection, [deletion.id])
    if deletion.package_file_id is None:
        reopened = await execute(connection, "reopen_package", package_id=deletion.package_id)
    else:
        reopened = await execute(connection, "reopen_file", package_file_id=deletion.package_file_id)
    if not reopened:
        raise ConflictError("what is left of the package is not in status error any more")


async def _send(connection: Connection, deletion: Deletion, action: Action, actor: Actor) -> Deletion:
    await note_act(connection, [deletion.id], action, actor)
    await outbox.append(connection, [outbox.command(deletion.lane, [deletion.id])])
    return deletion
