"""Why a line of an import cannot go in: what it names is missing, or what it wants is taken."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from service.importing import rows as import_rows
from service.importing.local_files import FileRefusedError, Folder
from service.importing.rows import Identity, ImportCandidate, Known
from service.infra.postgres.database import Connection


async def check_candidates(
    connection: Connection, candidates: Sequence[ImportCandidate], *, folder: Folder | None
) -> None:
    """Give each candidate its project and users, and a refusal to those that cannot go in.

    If two candidates want the same, the first gets it.
    """
    await _resolve(connection, candidates)
    candidates = [candidate for candidate in candidates if not candidate.refusal]
    known = await import_rows.find_known(connection, candidates)
    claims = _Claims(known)
    for candidate in candidates:
        candidate.refusal = next(claims.objections(candidate), None) or _file_objection(candidate, folder)
        if not candidate.refusal:
            claims.add(candidate)


async def _resolve(connection: Connection, candidates: Sequence[ImportCandidate]) -> None:
    projects = await import_rows.find_projects(connection, {c.package.project.lower() for c in candidates})
    usernames = {name.lower() for candidate in candidates for name in _usernames(candidate)}
    users = await import_rows.find_users(connection, usernames) if usernames else {}
    for candidate in candidates:
        found = projects.get(candidate.package.project.lower(), (0, 0))
        candidate.project_id, candidate.root_group_id = found
        candidate.user_ids = users
        if not candidate.project_id:
            candidate.refusal = f"there is no project {candidate.package.project}"
        for name in _usernames(candidate):
            if name.lower() not in users:
                candidate.refusal = candidate.refusal or f"there is no user {name}"


def _usernames(candidate: ImportCandidate) -> Iterator[str]:
    if candidate.package.creator:
        yield candidate.package.creator
    yield from (pipeline.user for pipeline in candidate.package.pipelines if pipeline.user)


def _file_objection(candidate: ImportCandidate, folder: Folder | None) -> str | None:
    for position, file in enumerate(candidate.package.files):
        if file.path is None:
            continue
        if folder is None:
            return f"files[{position}].path: --files-from was not given"
        try:
            folder.find(file.path)
        except FileRefusedError as error:
            return f"files[{position}].path: {error}"
    return None


@dataclass(slots=True)
class _Claims:
    """The ids and names that earlier lines of the batch will have taken, besides those in the database."""

    known: Known
    package_ids: set[int] = field(default_factory=set)
    file_ids: set[int] = field(default_factory=set)
    pipeline_projects: dict[int, int] = field(default_factory=dict)
    identities: set[Identity] = field(default_factory=set)

    def objections(self, candidate: ImportCandidate) -> Iterator[str]:
        package, identity = candidate.package, candidate.identity
        if package.id in self.known.package_ids or package.id in self.package_ids:
            yield f"the package id {package.id} is taken"
        if identity in self.known.taken or identity in self.identities:
            yield "the project has a package of that type, name and version already"
        for position, file in enumerate(package.files):
            if file.id in self.known.file_ids or file.id in self.file_ids:
                yield f"files[{position}].id: the file id {file.id} is taken"
        for position, pipeline in enumerate(package.pipelines):
            owner = self.known.pipeline_projects.get(pipeline.id) or self.pipeline_projects.get(pipeline.id)
            if owner not in {None, candidate.project_id}:
                yield f"pipelines[{position}].id: pipeline {pipeline.id} belongs to another project"

    def add(self, candidate: ImportCandidate) -> None:
        package = candidate.package
        if package.id:
            self.package_ids.add(package.id)
        if identity := candidate.identity:
            self.identities.add(identity)
        self.file_ids.update(file.id for file in package.files if file.id)
        self.pipeline_projects |= dict.fromkeys((p.id for p in package.pipelines), candidate.project_id)
