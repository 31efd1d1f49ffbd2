"""Rows of npm packages: the versions that can be installed, their files and tags."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from service.catalogue.rows.uploads import UploadedPackageRow
from service.infra.postgres.database import Connection, Record, execute, fetch, fetch_row
from service.infra.postgres.records import row_reader

MOST_VERSIONS: Final = 20_000
"""Versions that one packument shows, with one tag each: of more, the highest."""


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version that can be installed, with one of its tarballs, and one of its tags if it has any."""

    package_id: int
    project_id: int
    version: str
    tag: str | None
    tagged_at: datetime | None
    """When the tag was set."""


_version: Final = row_reader(VersionRow)
_package: Final = row_reader(UploadedPackageRow)


async def list_versions(connection: Connection, project_ids: Collection[int], name: str) -> list[VersionRow]:
    """Return rows of the versions of that name in these projects, at most 20,000, the highest first.

    A version has a row for each tarball, the newest first, and for each tag. Several projects may have it.
    """
    rows = await fetch(connection, "npm_versions", project_ids=list(project_ids), name=name, limit=MOST_VERSIONS)
    return [_version(row) for row in rows]


async def find_file(
    connection: Connection, *, project_id: int, name: str, file_names: Collection[str]
) -> Record | None:
    """Return the newest file with one of these names."""
    return await fetch_row(connection, "npm_file", project_id=project_id, name=name, file_names=list(file_names))


async def lock_name(connection: Connection, *, project_id: int, name: str) -> None:
    """Let nobody else publish or tag a version of that name until the transaction ends."""
    await fetch(connection, "lock_npm_name", project_id=project_id, name=name)


async def create_package(
    connection: Connection, *, project_id: int, name: str, version: str, creator_id: int | None
) -> UploadedPackageRow | None:
    """Insert a version and return its package; None if there is such a version, which is locked by `lock_name`."""
    row = await fetch_row(
        connection, "create_npm_package", project_id=project_id, name=name, version=version, creator_id=creator_id
    )
    return None if row is None else _package(row)


async def is_elsewhere(connection: Connection, *, root_group_id: int, project_id: int, name: str, version: str) -> bool:
    """Return whether another project below that root group has the version."""
    (row,) = await fetch(
        connection,
        "has_npm_package_elsewhere",
        root_group_id=root_group_id,
        project_id=project_id,
        name=name,
        version=version,
    )
    return bool(row["is_so"])


async def lock_version(connection: Connection, *, project_id: int, name: str, version: str) -> int | None:
    """Return the id of a version that can be installed, locked; None if there is none."""
    row = await fetch_row(connection, "lock_npm_version", project_id=project_id, name=name, version=version)
    return None if row is None else int(row["id"])


async def move_tag(connection: Connection, *, project_id: int, name: str, tag: str, package_id: int) -> None:
    """Give the tag to a version, and take it from all others of that name."""
    await execute(connection, "move_npm_tag", project_id=project_id, name=name, tag=tag, package_id=package_id)


async def remove_tag(connection: Connection, *, project_id: int, name: str, tag: str) -> bool:
    """Take the tag from the version that has it; return whether there was one."""
    return bool(await fetch(connection, "remove_npm_tag", project_id=project_id, name=name, tag=tag))


async def deprecate(connection: Connection, *, project_id: int, name: str, texts: Mapping[str, str]) -> None:
    """Give versions a text that says why they should not be used; an empty text takes it away."""
    await execute(
        connection,
        "deprecate_npm_versions",
        project_id=project_id,
        name=name,
        versions=list(texts),
        texts=list(texts.values()),
    )
