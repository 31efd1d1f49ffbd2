"""An import in the database: what is there already, and writing a batch in one transaction's few statements."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from schemas.files.imports import ImportedFile, ImportedPackage
from schemas.statuses import INSTALLABLE
from service.directory_file.rows import find_pipeline_projects, store
from service.infra.postgres.database import Connection, Database, execute, fetch
from service.infra.postgres.ids import complete_ids
from service.infra.storage.interface import StoredObject

Identity = tuple[int, str, str, str | None, str | None, str | None]
"""The identity that only one installable package of a project can have: type, name, version and conan recipe."""

_INSERT: Final = {
    "packages": "insert_imported_packages",
    "tags": "insert_imported_tags",
    "builds": "insert_imported_builds",
    "files": "insert_imported_files",
    "file_builds": "insert_imported_file_builds",
}


@dataclass(slots=True)
class ImportCandidate:
    """A line that may still go in: its package, where it belongs, and the objects of its files."""

    number: int
    package: ImportedPackage
    project_id: int = 0
    user_ids: Mapping[str, int] = field(default_factory=dict)
    objects: dict[int, StoredObject] = field(default_factory=dict)
    refusal: str | None = None

    @property
    def identity(self) -> Identity | None:
        """The identity that must be free for the package; None when its status takes no name."""
        package, conan = self.package, self.package.conan
        if package.status not in INSTALLABLE:
            return None
        recipe = (conan.username, conan.channel) if conan else (None, None)
        return (self.project_id, package.package_type.value, package.name, package.version, *recipe)


@dataclass(frozen=True, slots=True)
class Known:
    """The ids and names of a batch that the database already has."""

    package_ids: frozenset[int]
    file_ids: frozenset[int]
    pipeline_projects: Mapping[int, int]
    taken: frozenset[Identity]


async def find_projects(connection: Connection, paths: Iterable[str]) -> dict[str, int]:
    """Return the ids of projects by path in lower case."""
    rows = await fetch(connection, "find_project_ids", paths=list(paths))
    return {row["path"]: row["id"] for row in rows}


async def find_users(connection: Connection, usernames: Iterable[str]) -> dict[str, int]:
    """Return the ids of users by name in lower case."""
    rows = await fetch(connection, "find_user_ids", usernames=list(usernames))
    return {row["username"]: row["id"] for row in rows}


async def find_known(connection: Connection, candidates: Sequence[ImportCandidate]) -> Known:
    """Return what is in the way of these candidates, whose projects are known."""
    packages = [candidate.package for candidate in candidates]
    pipelines = {pipeline.id for package in packages for pipeline in package.pipelines}
    file_ids = [file.id for package in packages for file in package.files if file.id]
    identities = [identity for candidate in candidates if (identity := candidate.identity)]
    return Known(
        package_ids=await _find_used(connection, "package", [package.id for package in packages if package.id]),
        file_ids=await _find_used(connection, "package_file", file_ids),
        pipeline_projects=await find_pipeline_projects(connection, pipelines) if pipelines else {},
        taken=await _find_taken(connection, identities),
    )


async def find_kept_objects(database: Database, keys: Sequence[str]) -> set[str]:
    """Return the keys that files have, once it is certain which batches were committed."""
    async with database.transaction() as connection:
        await execute(connection, "lock_import")
        return {row["storage_key"] for row in await fetch(connection, "find_kept_objects", keys=keys)}


async def insert(connection: Connection, candidates: Sequence[ImportCandidate]) -> None:
    """Write the packages of a batch with everything they have; ids follow the order of the lines."""
    await execute(connection, "lock_import")
    package_ids = await complete_ids(connection, "package", [c.package.id for c in candidates])
    numbered = list(zip(package_ids, candidates, strict=True))
    await _insert(connection, "packages", [_package_row(*pair) for pair in numbered])
    tags = [{"package_id": package_id, "name": tag} for package_id, c in numbered for tag in c.package.tags]
    await _insert(connection, "tags", tags)
    await _insert_pipelines(connection, numbered)
    await _insert_files(connection, numbered)


async def _insert_pipelines(connection: Connection, numbered: Sequence[tuple[int, ImportCandidate]]) -> None:
    pipelines = {row["id"]: row for _, candidate in numbered for row in _pipeline_rows(candidate)}
    if not pipelines:
        return
    await store(connection, "pipelines", list(pipelines.values()))
    builds = [
        {"package_id": package_id, "pipeline_id": pipeline.id}
        for package_id, candidate in numbered
        for pipeline in candidate.package.pipelines
    ]
    await _insert(connection, "builds", builds)


async def _insert_files(connection: Connection, numbered: Sequence[tuple[int, ImportCandidate]]) -> None:
    files = [
        (package_id, file, candidate.objects[position])
        for package_id, candidate in numbered
        for position, file in enumerate(candidate.package.files)
    ]
    ids = await complete_ids(connection, "package_file", [file.id for _, file, _ in files])
    rows = [
        {"id": file_id, "package_id": package_id, **_file_row(file, stored)}
        for file_id, (package_id, file, stored) in zip(ids, files, strict=True)
    ]
    await _insert(connection, "files", rows)
    builds = [
        {"package_file_id": file_id, "pipeline_id": pipeline_id}
        for file_id, (_, file, _) in zip(ids, files, strict=True)
        for pipeline_id in file.pipelines
    ]
    await _insert(connection, "file_builds", builds)


async def _insert(connection: Connection, kind: str, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        await execute(connection, _INSERT[kind], rows=json.dumps(rows))


async def _find_used(connection: Connection, table: str, ids: Sequence[int]) -> frozenset[int]:
    rows = await fetch(connection, "find_used_ids", table_name=table, ids=ids) if ids else []
    return frozenset(row["id"] for row in rows)


async def _find_taken(connection: Connection, identities: Sequence[Identity]) -> frozenset[Identity]:
    if not identities:
        return frozenset()
    project_ids, types, names, versions, usernames, channels = map(list, zip(*identities, strict=True))
    rows = await fetch(
        connection,
        "find_taken",
        places=list(range(len(identities))),
        project_ids=project_ids,
        types=types,
        names=names,
        versions=versions,
        usernames=usernames,
        channels=channels,
    )
    return frozenset(identities[row["place"]] for row in rows)


def _package_row(package_id: int, candidate: ImportCandidate) -> dict[str, object]:
    package, conan = candidate.package, candidate.package.conan
    plain = {"package_type", "name", "version", "status", "created_at", "last_downloaded_at"}
    return {
        "id": package_id,
        "project_id": candidate.project_id,
        "conan_username": conan.username if conan else None,
        "conan_channel": conan.channel if conan else None,
        "creator_id": candidate.user_ids[package.creator.lower()] if package.creator else None,
        **package.model_dump(include=plain, mode="json"),
    }


def _pipeline_rows(candidate: ImportCandidate) -> Iterable[dict[str, object]]:
    for pipeline in candidate.package.pipelines:
        yield {
            "project_id": candidate.project_id,
            "user_id": candidate.user_ids[pipeline.user.lower()] if pipeline.user else None,
            **pipeline.model_dump(exclude={"user"}, mode="json"),
        }


def _file_row(file: ImportedFile, stored: StoredObject) -> dict[str, object]:
    return {
        "file_name": file.file_name,
        "size": stored.size,
        "md5": stored.md5.hex(),
        "sha1": stored.sha1.hex(),
        "sha256": stored.sha256.hex(),
        "storage_key": stored.key,
        "created_at": file.created_at.isoformat() if file.created_at else None,
    }
