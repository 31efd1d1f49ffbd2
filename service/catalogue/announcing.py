"""The events of uploads: the one place where an upload becomes an event."""

from collections.abc import Sequence
from typing import Final

from schemas.messages.outgoing import Outgoing
from schemas.messages.publications import MOST_FILES, PackageFilePublished, PackagePublished, PublishedFile
from service.access.callers import Caller
from service.access.rows import Project
from service.catalogue.rows.uploads import UploadedPackageRow
from service.events import outbox
from service.ids import new_id
from service.infra.storage.interface import StoredObject

_NOT_NUMBERED: Final = 0
"""The number of a file whose row is about to be written."""


def uploaded(
    project: Project, package: UploadedPackageRow, caller: Caller, stored: StoredObject, *, file_name: str
) -> Outgoing:
    """Announce one file, whose number is filled in when its row is written."""
    kind = PackagePublished if package.is_new else PackageFilePublished
    publication_id = new_id()
    fact = kind(
        publication_id=publication_id,
        project_id=project.id,
        root_group_id=project.root_group_id,
        package_id=package.id,
        package_type=package.package_type,
        package_name=package.name,
        package_version=package.version,
        status=package.status,
        actor_id=caller.user_id,
        pipeline_id=caller.pipeline_id,
        files=1,
        bytes=stored.size,
        package_files=(published_file(_NOT_NUMBERED, file_name, stored),),
    )
    return outbox.event(fact, event_id=publication_id)


def published_file(file_id: int, file_name: str, stored: StoredObject) -> PublishedFile:
    """Return a file as events name it."""
    return PublishedFile(id=file_id, file_name=file_name, size=stored.size, file_sha256=stored.sha256.hex())


def listed(files: Sequence[PublishedFile]) -> tuple[PublishedFile, ...] | None:
    """Return the files that an event names; None where there are too many."""
    return tuple(files) if len(files) <= MOST_FILES else None
