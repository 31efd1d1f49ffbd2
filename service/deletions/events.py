"""The events of a deletion, and their moments: the one place where rows become events."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final
from uuid import UUID

from schemas.messages.events import (
    DeletionEvent,
    PackageDeletionRequested,
    PackageDestroyed,
    PackageDestructionFailed,
    PackageFileDeletionRequested,
    PackageFileDestroyed,
    PackageFileDestructionFailed,
    PackageFileMarkedForDestruction,
    PackageFileRestored,
    PackageMarkedForDestruction,
    PackageRestored,
)
from schemas.messages.outgoing import Outgoing
from schemas.names import Lane
from service.deletions.deletion import Deletion
from service.events import outbox

_COMMAND_SIZES: Final = MappingProxyType({Lane.INTERACTIVE: 1, Lane.BULK: 100})
"""How many deletions one command of a lane is about."""


def commands(lane: Lane, deletion_ids: Sequence[UUID]) -> list[Outgoing]:
    """Return the commands to carry these deletions out."""
    size = _COMMAND_SIZES[lane]
    return [outbox.command(lane, deletion_ids[start : start + size]) for start in range(0, len(deletion_ids), size)]


def requested(deletion: Deletion) -> Outgoing:
    """Announce that a DELETE was accepted; the other events of the deletion name this one as their cause."""
    kind = PackageDeletionRequested if deletion.package_file_id is None else PackageFileDeletionRequested
    fact = _fact(kind, deletion, deletion.files_total, deletion.bytes_total)
    event_id = deletion.request_event_id
    return outbox.event(fact, causation_id=event_id, event_id=event_id)


def marked(deletion: Deletion) -> Outgoing:
    """Announce that every file is marked, and until when the grace lasts."""
    kind = PackageMarkedForDestruction if deletion.package_file_id is None else PackageFileMarkedForDestruction
    fact = _fact(kind, deletion, deletion.files_total, deletion.bytes_total, destroy_after=deletion.not_before)
    return _caused(fact, deletion)


def restored(deletion: Deletion) -> Outgoing:
    """Announce that the deletion was undone."""
    counts = deletion.files_total, deletion.bytes_total
    if deletion.package_file_id is not None:
        return _caused(_fact(PackageFileRestored, deletion, *counts), deletion)
    return _caused(_fact(PackageRestored, deletion, *counts, restored_as=deletion.restored_as), deletion)


def files_destroyed(deletion: Deletion, package_file_ids: Sequence[int], size: int) -> Outgoing:
    """Announce that a chunk of files of *size* bytes is gone."""
    fact = _fact(PackageFileDestroyed, deletion, len(package_file_ids), size, package_file_ids=tuple(package_file_ids))
    return _caused(fact, deletion)


def package_destroyed(deletion: Deletion, package_file_ids: Sequence[int] | None) -> Outgoing:
    """Announce that nothing of the package is left; for the deletion of its last file, too.

    *package_file_ids*: all its files, where no event of a chunk has named them.
    """
    fact = _fact(
        PackageDestroyed,
        deletion,
        deletion.files_done,
        deletion.bytes_done,
        package_file_id=None,
        file_name=None,
        package_file_ids=None if package_file_ids is None else tuple(package_file_ids),
    )
    return _caused(fact, deletion)


def failed(deletion: Deletion, *, reason: str) -> Outgoing:
    """Announce that attempts are used up, and what is left."""
    kind = PackageDestructionFailed if deletion.package_file_id is None else PackageFileDestructionFailed
    fact = _fact(
        kind,
        deletion,
        max(0, deletion.files_total - deletion.files_done),
        max(0, deletion.bytes_total - deletion.bytes_done),
        error=reason,
        attempts=deletion.attempts,
    )
    return _caused(fact, deletion)


def _fact(kind: type[DeletionEvent], deletion: Deletion, files: int, size: int, **more: object) -> DeletionEvent:
    return kind.model_validate(
        {
            "deletion_id": deletion.id,
            "project_id": deletion.project_id,
            "root_group_id": deletion.root_group_id,
            "package_id": deletion.package_id,
            "package_type": deletion.package_type,
            "package_name": deletion.package_name,
            "package_version": deletion.package_version,
            "package_file_id": deletion.package_file_id,
            "file_name": deletion.file_name,
            "cause": deletion.cause,
            "reason": deletion.reason,
            "actor_id": deletion.requested_by,
            "files": files,
            "bytes": size,
            **more,
        }
    )


def _caused(fact: DeletionEvent, deletion: Deletion) -> Outgoing:
    causation_id: UUID = deletion.request_event_id
    return outbox.event(fact, causation_id=causation_id)
