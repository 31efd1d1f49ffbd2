"""Thinking again about deletions: undoing them, trying failed ones again, ending a grace early."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final
from uuid import UUID

from schemas import generic_names
from schemas.names import AccessLevel, Action, PackageType
from schemas.statuses import FAILED, IN_OR_BEFORE_GRACE, RESTORABLE
from service.deletions import events as deletion_events
from service.deletions.rows import undoing as undoing_rows
from service.deletions.rows.accepting import Deletion
from service.deletions.rows.undoing import Actor, Obstacle
from service.events import outbox
from service.infra.postgres.database import Connection, Sessions, conflicts, interferences
from service.infra.postgres.repeating import repeated
from service.refusals import BadParametersError, ConflictError, DeletionHeldError, NotFoundError

_TAKEN: Final = "the same name and version has been published again"
_REASONS: Final[Mapping[Obstacle, str]] = MappingProxyType(
    {
        Obstacle.TAKEN: _TAKEN,
        Obstacle.PACKAGE_DELETED: "the package of the file is being deleted itself",
        Obstacle.EMPTIED: "all files of the package have been deleted by themselves",
        Obstacle.GONE: "the file is gone already",
        Obstacle.BEGUN: "a later deletion of the package has begun: bytes may be gone",
        Obstacle.NOT_IN_ERROR: "what is left of the package is not in status error any more",
    }
)
_TRIES: Final = 3
_PORTION: Final = 500


@dataclass(frozen=True, slots=True)
class Restoration:
    """The result of undoing a batch: the deletions that were undone, and why others were not."""

    restored: Sequence[Deletion]
    refused: Mapping[UUID, str]


@repeated
async def restore(
    database: Sessions,
    deletion_id: UUID,
    *,
    actor: Actor,
    project_id: int | None = None,
    rename_to: str | None = None,
) -> Deletion:
    """Undo a deletion of which no object can have been removed yet; *rename_to* is the version to come back as.

    Raises:
        NotFoundError: there is no such deletion, or none of that project.
        BadParametersError: a package of its type cannot have that version.
        ConflictError: it is too late, or the name and version were published again.
    """
    try:
        async with database.transaction() as connection:
            deletion = await _lock(connection, deletion_id, project_id)
            if rename_to is not None:
                _check_version(deletion, rename_to)
            (restored, refused) = await _restore(connection, [deletion], actor=actor, rename_to=rename_to)
            if deletion_id in refused:
                raise ConflictError(refused[deletion_id])
    except conflicts() as error:
        raise ConflictError(_TAKEN) from error
    return restored[0]


async def restore_batch(
    database: Sessions, batch_id: UUID, *, actor: Actor, project_ids: Collection[int] | None
) -> Restoration:
    """Undo those deletions of a batch, in these projects (None: in all), that can be undone.

    Raises:
        NotFoundError: the batch has no deletion in these projects.
        ConflictError: others keep publishing the same names and versions in this very moment.
    """
    for _ in range(_TRIES):
        try:
            async with database.transaction() as connection:
                deletions = await undoing_rows.lock_batch(connection, batch_id, project_ids)
                if not deletions:
                    raise NotFoundError
                restored, refused = await _restore(connection, deletions, actor=actor, rename_to=None)
            return Restoration(restored, refused)
        except interferences():
            continue
    raise ConflictError("others are changing the same packages: try again")


@repeated
async def retry(
    database: Sessions,
    deletion_id: UUID,
    *,
    level: AccessLevel,
    actor: Actor,
    resend: timedelta,
    project_id: int | None = None,
) -> Deletion:
    """Begin a failed deletion anew, with all its attempts; protection is judged against *level*.

    Raises:
        NotFoundError: there is no such deletion, or none of that project.
        ConflictError: it has not failed, or what it was about is not in `error` any more.
        DeletionHeldError: a hold keeps everything there from being deleted.
    """
    async with database.transaction() as connection:
        deletion = await _lock(connection, deletion_id, project_id)
        if deletion.state not in FAILED:
            raise ConflictError(f"the deletion is {deletion.state}, only a failed one can be retried")
        await _require_no_hold(connection, deletion)
        again = await undoing_rows.queue_again(connection, deletion, level=level, resend=resend)
        if again is None:
            raise ConflictError(_REASONS[Obstacle.NOT_IN_ERROR])
        await undoing_rows.note(connection, [again.id], Action.RETRY, actor)
        await outbox.append(connection, [outbox.command(again.lane, [again.id])])
    return again


@repeated
async def destroy_now(
    database: Sessions,
    deletion_id: UUID,
    *,
    actor: Actor,
    resend: timedelta,
    project_id: int | None = None,
) -> Deletion:
    """Let a deletion wait for no grace, or for no more of it.

    Raises:
        NotFoundError: there is no such deletion, or none of that project.
        ConflictError: it is past its grace.
        DeletionHeldError: a hold keeps everything there from being deleted.
    """
    async with database.transaction() as connection:
        deletion = await _lock(connection, deletion_id, project_id)
        if deletion.state not in IN_OR_BEFORE_GRACE:
            raise ConflictError(f"the deletion is {deletion.state} and waits for no grace")
        await _require_no_hold(connection, deletion)
        due = await undoing_rows.end_grace(connection, deletion.id, resend=resend)
        await undoing_rows.note(connection, [due.id], Action.DESTROY_NOW, actor)
        await outbox.append(connection, [outbox.command(due.lane, [due.id])])
    return due


async def _restore(
    connection: Connection, deletions: Sequence[Deletion], *, actor: Actor, rename_to: str | None
) -> tuple[list[Deletion], dict[UUID, str]]:
    refused = {deletion.id: reason for deletion in deletions if (reason := _why_too_late(deletion))}
    ids = [deletion.id for deletion in deletions if deletion.id not in refused]
    found = await undoing_rows.obstacles(connection, ids, version=rename_to)
    refused |= {deletion_id: _REASONS[obstacle] for deletion_id, obstacle in found.items()}
    restored: list[Deletion] = []
    free = [deletion_id for deletion_id in ids if deletion_id not in refused]
    for start in range(0, len(free), _PORTION):
        part = free[start : start + _PORTION]
        undone = await undoing_rows.restore(connection, part, version=rename_to)
        await undoing_rows.note(connection, part, Action.RESTORE, actor)
        await outbox.append(connection, [deletion_events.restored(deletion) for deletion in undone])
        restored += undone
    return sorted(restored, key=lambda deletion: deletion.id), refused


async def _lock(connection: Connection, deletion_id: UUID, project_id: int | None) -> Deletion:
    deletion = await undoing_rows.lock(connection, deletion_id)
    if deletion is None or project_id not in {None, deletion.project_id}:
        raise NotFoundError
    return deletion


def _check_version(deletion: Deletion, version: str) -> None:
    if deletion.package_file_id is not None:
        raise ConflictError("a file has no version that could be another one")
    if deletion.package_type is PackageType.GENERIC and not generic_names.VERSION.allows(version):
        rule = f"should be {generic_names.VERSION.text}"
        raise BadParametersError(f"rename_to is invalid: a version of a generic package {rule}")


async def _require_no_hold(connection: Connection, deletion: Deletion) -> None:
    hold = await undoing_rows.hold_on(connection, deletion.project_id)
    if hold is not None:
        raise DeletionHeldError(hold)


def _why_too_late(deletion: Deletion) -> str | None:
    if deletion.state not in RESTORABLE:
        return f"the deletion is {deletion.state} and cannot be restored any more"
    if deletion.removal_began_at is not None:
        return f"the deletion is {deletion.state} and cannot be restored any more: bytes may be gone"
    return None
