"""Reading the NuGet packages that can be installed."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from service.infra.postgres.database import Connection, Record, fetch, fetch_row
from service.registries.nuget.models import NuGetSearching
from service.registries.nuget.nuspec import Nuspec
from service.registries.nuget.versions import NuGetVersion

MOST_VERSIONS: Final = 300
"""Versions that a registration shows: of more, the newest."""
_QUICKLY_READ: Final = 256 * 1024
"""Characters that are read without a thread."""
_MOST_VERSION_NAMES: Final = 20_000
_MOST_FOUND: Final = 10
"""Versions of a package that a search shows: of more, the newest."""


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """A version of a package that can be installed."""

    project_id: int
    parsed: NuGetVersion
    created_at: datetime
    nuspec: Nuspec
    """A package that was imported has no more than its id and version here."""


@dataclass(frozen=True, slots=True)
class FoundNames:
    """The normal names that a search shows, and how many there are in all."""

    names: Sequence[str]
    total: int


async def list_versions(
    connection: Connection, project_ids: Collection[int], name: str, *, version: str | None = None
) -> list[PublishedVersion]:
    """Return the newest 300 versions of the package in these projects, or only that *version*, in their order."""
    found = await fetch(
        connection,
        "nuget_versions",
        project_ids=list(project_ids),
        name=name,
        version=version,
        limit=MOST_VERSIONS,
    )
    return await _read(found)


async def list_version_names(connection: Connection, project_id: int, name: str) -> list[str]:
    """Return the normal forms of all versions of the package, at most 20,000, in the order of versions."""
    found = await fetch(connection, "nuget_version_names", project_id=project_id, name=name, limit=_MOST_VERSION_NAMES)
    parsed = (NuGetVersion.parse(row["version"] or "") for row in found)
    return [version.normal for version in sorted({one for one in parsed if one}, key=lambda one: one.key)]


async def find_package(connection: Connection, *, project_id: int, name: str, version: str) -> int | None:
    """Return the id of the package of that name and version."""
    row = await fetch_row(connection, "nuget_package", project_id=project_id, name=name, version=version)
    return None if row is None else int(row["id"])


async def has_file_in(connection: Connection, *, package_id: int, suffix: str) -> bool:
    """Return whether the package, which the caller has locked, has a file whose name ends so."""
    return bool(await fetch(connection, "nuget_file_in", package_id=package_id, suffix=suffix))


async def find_file(connection: Connection, *, project_id: int, name: str, version: str, suffix: str) -> Record | None:
    """Return the newest file of the package whose name ends so."""
    return await fetch_row(connection, "nuget_file", project_id=project_id, name=name, version=version, suffix=suffix)


async def find_names(connection: Connection, project_ids: Collection[int], wanted: NuGetSearching) -> FoundNames:
    """Return the names that a search finds in these projects."""
    (row,) = await fetch(
        connection,
        "nuget_names",
        project_ids=list(project_ids),
        patterns=[f"%{_escaped(word)}%" for word in wanted.words],
        prerelease=wanted.prerelease,
        skip=wanted.skip,
        take=wanted.take,
    )
    return FoundNames(row["names"], row["total"])


async def list_found(
    connection: Connection, project_ids: Collection[int], names: Sequence[str], *, prerelease: bool
) -> list[list[PublishedVersion]]:
    """Return for each of the normal names its newest 10 versions in these projects, in the order of versions."""
    found = await fetch(
        connection,
        "nuget_found",
        project_ids=list(project_ids),
        names=list(names),
        prerelease=prerelease,
        limit=_MOST_FOUND,
    )
    versions = [await _read([row for row in found if row["normal_name"] == name]) for name in names]
    return [of_one for of_one in versions if of_one]


async def _read(found: Sequence[Record]) -> list[PublishedVersion]:
    is_quick = sum(len(row["nuspec"] or "") for row in found) < _QUICKLY_READ
    return _in_order(found) if is_quick else await asyncio.to_thread(_in_order, found)


def _in_order(found: Sequence[Record]) -> list[PublishedVersion]:
    """Return versions in their order, of several with one normal form the newest; NuGet could not read others."""
    newest: dict[NuGetVersion, PublishedVersion] = {}
    for row in found:
        parsed = NuGetVersion.parse(row["version"] or "")
        if parsed is not None:
            newest.setdefault(parsed, PublishedVersion(row["project_id"], parsed, row["created_at"], _nuspec(row)))
    return sorted(newest.values(), key=lambda version: version.parsed.key)


def _nuspec(row: Record) -> Nuspec:
    kept = row["nuspec"]
    facts = {"id": row["name"], "version": row["version"]}
    return Nuspec(**facts) if kept is None else Nuspec.model_validate_json(kept).model_copy(update=facts)


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
