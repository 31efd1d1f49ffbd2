"""What is announced of a deletion, and when: the one place where rows become events."""

from datetime import datetime
from uuid import UUID

from schemas.events import (
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
from service.infra import outbox
from service.infra.deletion_rows import Deletion
from service.infra.outbox import Outgoing


def requested(deletion: Deletion) -> Outgoing:
    """Announce that a DELETE was accepted; the other events of the deletion name this one as their cause."""
    kind = PackageDeletionRequested if deletion.package_file_id is None else PackageFileDeletionRequested
    fact = _fact(kind, deletion, deletion.files_total, deletion.bytes_total)
    event_id = deletion.request_event_id
    return outbox.event(fact, causation_id=event_id, event_id=event_id)


def marked(deletion: Deletion, *, destroy_after: datetime | None) -> Outgoing:
    """Announce that every file is marked."""
    kind = PackageMarkedForDestruction if deletion.package_file_id is None else PackageFileMarkedForDestruction
    fact = _fact(kind, deletion, deletion.files_total, deletion.bytes_total, destroy_after=destroy_after)
    return _caused(fact, deletion)


def restored(deletion: Deletion) -> Outgoing:
    """Announce that the deletion was undone."""
    kind = PackageRestored if deletion.package_file_id is None else PackageFileRestored
    return _caused(_fact(kind, deletion, deletion.files_total, deletion.bytes_total), deletion)


def files_destroyed(deletion: Deletion, *, package_file_ids: tuple[int, ...], size: int) -> Outgoing:
    """Announce that a chunk of files of *size* bytes is gone."""
    fact = _fact(PackageFileDestroyed, deletion, len(package_file_ids), size, package_file_ids=package_file_ids)
    return _caused(fact, deletion)


def package_destroyed(deletion: Deletion) -> Outgoing:
    """Announce that nothing of the package is left; for the deletion of its last file, too."""
    fact = _fact(
        PackageDestroyed,
        deletion,
        deletion.files_done,
        deletion.bytes_done,
        package_file_id=None,
        file_name=None,
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
