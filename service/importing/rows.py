"""An import in the database: what is there already, and writing a batch in one transaction's few statements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final

from schemas.files.imports import ImportedFile, ImportedPackage
from schemas.statuses import INSTALLABLE
from service.directory_file.rows import find_pipeline_projects, store
from service.infra.postgres.database import Connection, Database, copy, execute, fetch
from service.infra.postgres.ids import complete_ids
from service.infra.storage.interface import StoredObject

Identity = tuple[int, str, str, str | None, str | None, str | None]
"""The identity that only one installable package of a project can have: type, name, version and conan recipe."""

_PACKAGE: Final = (
    *("id", "project_id", "package_type", "name", "version", "status", "conan_username", "conan_channel"),
    *("creator_id", "created_at", "updated_at", "last_downloaded_at"),
)
_FILE: Final = (
    *("id", "package_id", "file_name", "size", "md5", "sha1", "sha256", "storage_key", "created_at", "updated_at"),
)


@dataclass(slots=True)
class ImportCandidate:
    """A line that may still go in: its package, where it belongs, and the objects of its files."""

    number: int
    package: ImportedPackage
    project_id: int = 0
    root_group_id: int = 0
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
class ImportedIds:
    """The numbers that a package and its files, in their order, have got."""

    package_id: int
    file_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Known:
    """The ids and names of a batch that the database already has."""

    package_ids: frozenset[int]
    file_ids: frozenset[int]
    pipeline_projects: Mapping[int, int]
    taken: frozenset[Identity]


async def find_projects(connection: Connection, paths: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return the ids of projects, and of the groups at their roots, by path in lower case."""
    rows = await fetch(connection, "find_project_ids", paths=list(paths))
    return {row["path"]: (row["id"], row["root_group_id"]) for row in rows}


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


async def insert(connection: Connection, candidates: Sequence[ImportCandidate]) -> list[ImportedIds]:
    """Write the packages of a batch with everything they have; return their ids, in the order of the lines."""
    await execute(connection, "lock_import")
    package_ids = await complete_ids(connection, "package", [c.package.id for c in candidates])
    now: datetime = (await fetch(connection, "import_moment"))[0]["moment"]
    numbered = [_Numbered(*pair, now) for pair in zip(package_ids, candidates, strict=True)]
    await copy(connection, "package", _PACKAGE, [_package_row(one) for one in numbered])
    tags = [(one.id, tag, one.created_at, one.created_at) for one in numbered for tag in one.package.tags]
    await _copy(connection, "package_tag", ("package_id", "name", "created_at", "updated_at"), tags)
    await _insert_pipelines(connection, numbered)
    file_ids = iter(await _insert_files(connection, numbered))
    return [ImportedIds(one.id, tuple(islice(file_ids, len(one.package.files)))) for one in numbered]


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A candidate with the id that its package gets; *now* is for what has no moment of its own."""

    id: int
    candidate: ImportCandidate
    now: datetime

    @property
    def package(self) -> ImportedPackage:
        """The package."""
        return self.candidate.package

    @property
    def created_at(self) -> datetime:
        """The moment of the package."""
        return self.package.created_at or self.now


async def _insert_pipelines(connection: Connection, numbered: Sequence[_Numbered]) -> None:
    pipelines = {row["id"]: row for one in numbered for row in _pipeline_rows(one.candidate)}
    if not pipelines:
        return
    await store(connection, "pipelines", list(pipelines.values()))
    builds = [(one.id, pipeline.id) for one in numbered for pipeline in one.package.pipelines]
    await _copy(connection, "package_build", ("package_id", "pipeline_id"), builds)


async def _insert_files(connection: Connection, numbered: Sequence[_Numbered]) -> Sequence[int]:
    files = [(one, place, file) for one in numbered for place, file in enumerate(one.package.files)]
    ids = await complete_ids(connection, "package_file", [file.id for _, _, file in files])
    rows = [_file_row(file_id, *found) for file_id, found in zip(ids, files, strict=True)]
    await _copy(connection, "package_file", _FILE, rows)
    builds = [
        (file_id, pipeline_id)
        for file_id, (_, _, file) in zip(ids, files, strict=True)
        for pipeline_id in file.pipelines
    ]
    await _copy(connection, "package_file_build", ("package_file_id", "pipeline_id"), builds)
    return ids


async def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    if rows:
        await copy(connection, table, columns, rows)


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


def _package_row(one: _Numbered) -> tuple[object, ...]:
    package, conan, creator = one.package, one.package.conan, one.package.creator
    return (
        *(one.id, one.candidate.project_id, package.package_type, package.name, package.version, package.status),
        *((conan.username, conan.channel) if conan else (None, None)),
        one.candidate.user_ids[creator.lower()] if creator else None,
        *(one.created_at, one.created_at, package.last_downloaded_at),
    )


def _pipeline_rows(candidate: ImportCandidate) -> Iterable[dict[str, object]]:
    for pipeline in candidate.package.pipelines:
        yield {
            "project_id": candidate.project_id,
            "user_id": candidate.user_ids[pipeline.user.lower()] if pipeline.user else None,
            **pipeline.model_dump(exclude={"user"}, mode="json"),
        }


def _file_row(file_id: int, one: _Numbered, place: int, file: ImportedFile) -> tuple[object, ...]:
    stored, created_at = one.candidate.objects[place], file.created_at or one.created_at
    return (
        *(file_id, one.id, file.file_name, stored.size, stored.md5, stored.sha1, stored.sha256, stored.key),
        *(created_at, created_at),
    )
