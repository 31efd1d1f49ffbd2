"""Undoing deletions, one or a batch, as long as no byte can be gone.

Callers check the role: routes and pages do, and the command line is for operators.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from schemas import generic_names
from schemas.names import Action, PackageType
from schemas.statuses import RESTORABLE
from service.deletions import events as deletion_events
from service.deletions.deletion import Deletion, Deletions, read
from service.deletions.locks import lock_packages
from service.deletions.undoing.acts import Actor, DeletionChange, lock_deletion, note_act
from service.infra.postgres.database import Connection, conflicts, execute, fetch, interferences
from service.infra.postgres.repeating import repeated
from service.refusals import BadParametersError, ConflictError, NotFoundError


class Obstacle(StrEnum):
    """Why a deletion whose state allows it cannot be undone."""

    TAKEN = "taken"
    USED = "used"
    PACKAGE_DELETED = "package_deleted"
    NOT_IN_ERROR = "not_in_error"
    EMPTIED = "emptied"
    GONE = "gone"
    BEGUN = "begun"


_TAKEN: Final = "the same name and version has been published again"
_REASONS: Final[Mapping[Obstacle, str]] = MappingProxyType(
    {
        Obstacle.TAKEN: _TAKEN,
        Obstacle.USED: "that version was deleted before, and the rule for names here keeps it used",
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
async def restore(deletions: Deletions, change: DeletionChange) -> Deletion:
    """Undo a deletion of which no object can have been removed yet.

    Raises:
        NotFoundError: there is no such deletion, or none of that project.
        BadParametersError: a package of its type cannot have that version.
        ConflictError: it is too late, or the name and version were published again.
    """
    try:
        async with deletions.database.transaction() as connection:
            deletion = await lock_deletion(connection, change)
            if change.rename_to is not None:
                _check_version(deletion, change.rename_to)
            restored, refused = await _restore(connection, [deletion], actor=change.actor, rename_to=change.rename_to)
            if deletion.id in refused:
                raise ConflictError(refused[deletion.id])
    except conflicts() as error:
        raise ConflictError(_TAKEN) from error
    return restored[0]


async def restore_batch(
    deletions: Deletions, batch_id: UUID, *, actor: Actor, project_ids: Collection[int] | None
) -> Restoration:
    """Undo those deletions of a batch, in these projects (None: in all), that can be undone.

    Raises:
        NotFoundError: the batch has no deletion in these projects.
        ConflictError: others keep publishing the same names and versions in this very moment.
    """
    for _ in range(_TRIES):
        try:
            async with deletions.database.transaction() as connection:
                batch = await _lock_batch(connection, batch_id, project_ids)
                restored, refused = await _restore(connection, batch, actor=actor, rename_to=None)
                if restored:
                    await execute(connection, "pause_undone_rule", batch_id=batch_id)
                    await execute(connection, "end_undone_run", batch_id=batch_id)
            return Restoration(restored, refused)
        except interferences():
            continue
    raise ConflictError("others are changing the same packages: try again")


async def spare(connection: Connection, claimed: Sequence[Deletion]) -> set[UUID]:
    """Give packages back that came from a retention rule and are protected by now; return the deletions that ended.

    The deletions are claimed and locked, and have removed nothing. No user acts, so that the rule may come again.
    """
    ids = [deletion.id for deletion in claimed]
    if not ids:
        return set()
    obstacles = await _obstacles(connection, ids, version=None)
    free = [each for each in ids if each not in obstacles]
    await execute(connection, "release_spared_deletions", ids=free)
    undone = await _give_back(connection, free, version=None)
    await deletion_events.announce(connection, [deletion_events.restored(deletion) for deletion in undone])
    return {deletion.id for deletion in undone}


async def _lock_batch(connection: Connection, batch_id: UUID, project_ids: Collection[int] | None) -> list[Deletion]:
    places = None if project_ids is None else list(project_ids)
    rows = await fetch(connection, "lock_deletions_of_batch", batch_id=batch_id, project_ids=places)
    if not rows:
        raise NotFoundError
    return [read(row) for row in rows]


async def _restore(
    connection: Connection, asked: Sequence[Deletion], *, actor: Actor, rename_to: str | None
) -> tuple[list[Deletion], dict[UUID, str]]:
    refused = {deletion.id: reason for deletion in asked if (reason := _why_too_late(deletion))}
    ids = [deletion.id for deletion in asked if deletion.id not in refused]
    found = await _obstacles(connection, ids, version=rename_to)
    refused |= {deletion_id: _REASONS[obstacle] for deletion_id, obstacle in found.items()}
    restored: list[Deletion] = []
    free = [deletion_id for deletion_id in ids if deletion_id not in refused]
    for start in range(0, len(free), _PORTION):
        part = free[start : start + _PORTION]
        undone = await _give_back(connection, part, version=rename_to)
        await note_act(connection, part, Action.RESTORE, actor)
        await deletion_events.announce(connection, [deletion_events.restored(deletion) for deletion in undone])
        restored += undone
    return sorted(restored, key=lambda deletion: deletion.id), refused


async def _obstacles(connection: Connection, ids: Sequence[UUID], *, version: str | None) -> Mapping[UUID, Obstacle]:
    """Lock the packages of these deletions, and return what keeps some of them from being undone.

    *version* is the one that a package is to have from then on, None for its own.
    """
    # A worker that is about to end the last file of a package waits for this lock, or this waits for the worker.
    await lock_packages(connection, ids)
    rows = await fetch(connection, "obstacles_to_restoring", ids=ids, version=version)
    return {row["id"]: Obstacle(row["obstacle"]) for row in rows}


async def _give_back(connection: Connection, ids: Sequence[UUID], *, version: str | None) -> list[Deletion]:
    """Give the packages and files of locked deletions without obstacles back as they were."""
    await execute(connection, "restore_packages", ids=ids, version=version)
    await execute(connection, "restore_files", ids=ids)
    return [read(row) for row in await fetch(connection, "end_as_restored", ids=ids, version=version)]


def _check_version(deletion: Deletion, version: str) -> None:
    if deletion.package_file_id is not None:
        raise ConflictError("a file has no version that could be another one")
    if deletion.package_type is PackageType.GENERIC and not generic_names.VERSION.allows(version):
        rule = f"should be {generic_names.VERSION.text}"
        raise BadParametersError(f"rename_to is invalid: a version of a generic package {rule}")


def _why_too_late(deletion: Deletion) -> str | None:
    if deletion.state not in RESTORABLE:
        return f"the deletion is {deletion.state} and cannot be restored any more"
    if deletion.removal_began_at is not None:
        return f"the deletion is {deletion.state} and cannot be restored any more: bytes may be gone"
    return None
