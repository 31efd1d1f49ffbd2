"""The events of an import that asks for them: one for each package, with all its files."""

from collections.abc import Iterator, Sequence

from schemas.messages.outgoing import Outgoing
from schemas.messages.publications import PackagePublished
from schemas.statuses import INSTALLABLE
from service.catalogue.announcing import listed, published_file
from service.events import outbox
from service.ids import new_id
from service.importing.rows import ImportCandidate, ImportedIds


def announcements(candidates: Sequence[ImportCandidate], imported: Sequence[ImportedIds]) -> Iterator[Outgoing]:
    """Announce the candidates that can be installed; *imported* has their numbers."""
    for candidate, ids in zip(candidates, imported, strict=True):
        if candidate.package.status in INSTALLABLE:
            yield _announced(candidate, ids)


def _announced(candidate: ImportCandidate, ids: ImportedIds) -> Outgoing:
    package, publication_id = candidate.package, new_id()
    files = [
        published_file(file_id, file.file_name, candidate.objects[place])
        for place, (file_id, file) in enumerate(zip(ids.file_ids, package.files, strict=True))
    ]
    fact = PackagePublished(
        publication_id=publication_id,
        project_id=candidate.project_id,
        root_group_id=candidate.root_group_id,
        package_id=ids.package_id,
        package_type=package.package_type,
        package_name=package.name,
        package_version=package.version,
        status=package.status,
        actor_id=None,
        pipeline_id=package.pipelines[-1].id if package.pipelines else None,
        files=len(files),
        bytes=sum(file.size for file in files),
        package_files=listed(files),
    )
    return outbox.event(fact, event_id=publication_id)
