"""Reading the files of Maven packages that can be installed."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from service.infra.postgres.database import Connection, Record, fetch
from service.infra.postgres.records import row_reader
from service.registries.maven.coordinates import BUILD_IN_NAME, BUILD_RULE, Coordinates, without_build
from service.registries.maven.metadata import KnownVersion, Plugin, SnapshotFile

MOST_VERSIONS: Final = 20_000
"""Versions that metadata list: of more, the newest."""
_MOST_ENDINGS: Final = 1_000
_MOST_COPIES: Final = 100
_snapshot_file: Final = row_reader(SnapshotFile)


@dataclass(frozen=True, slots=True)
class MavenFile:
    """A file at a path."""

    record: Record
    """For its download."""

    def checksum(self, algorithm: str) -> str | None:
        """Return its checksum in hexadecimal; None if it was not computed."""
        found: bytes | str | None = self.record[algorithm]
        return found.hex() if isinstance(found, bytes) else found


async def read_metadata(
    connection: Connection, project_ids: Collection[int], name: str
) -> tuple[list[KnownVersion], list[Plugin]]:
    """Return the versions of an artifact in these projects, and the plugins of a group of that name.

    The versions are in Maven's order, the highest last, and at most 20,000.
    """
    rows = await fetch(connection, "maven_metadata", project_ids=list(project_ids), name=name, limit=MOST_VERSIONS)
    versions = [KnownVersion(row["version"], row["updated_at"]) for row in rows if row["version"] is not None]
    return versions, [_plugin(row) for row in rows if row["version"] is None]


async def list_plugins(connection: Connection, project_id: int, name: str) -> list[Plugin]:
    """Return all that the metadata of a group say of its plugins, the oldest first."""
    return [_plugin(row) for row in await fetch(connection, "maven_plugins", project_id=project_id, name=name)]


async def read_snapshot(
    connection: Connection, project_ids: Collection[int], coordinates: Coordinates
) -> list[SnapshotFile]:
    """Return the newest build of each file of a snapshot in these projects, at most 1,000."""
    rows = await fetch(
        connection,
        "maven_snapshot_files",
        project_ids=list(project_ids),
        name=coordinates.name,
        version=coordinates.version,
        prefix=f"{coordinates.artifact_id}-{coordinates.release}-",
        build=rf"^{BUILD_RULE}[-.]",
        limit=_MOST_ENDINGS,
    )
    return [_snapshot_file(row) for row in rows]


async def find_file(
    connection: Connection, project_ids: Collection[int], coordinates: Coordinates, file_name: str
) -> MavenFile | None:
    """Return the newest file of that name in these projects."""
    rows = await _files(connection, project_ids, coordinates, file_name, limit=1)
    return rows[0] if rows else None


async def find_copies(
    connection: Connection, project_id: int, coordinates: Coordinates, file_name: str
) -> list[MavenFile]:
    """Return the files of that name, the newest first, at most 100: each upload adds one."""
    return await _files(connection, [project_id], coordinates, file_name, limit=_MOST_COPIES)


async def has_file(
    connection: Connection, project_id: int, coordinates: Coordinates, file_name: str, *, is_any_build: bool
) -> bool:
    """Return whether the package has a file of that name; *is_any_build*: or the same file of another build."""
    found = await fetch(
        connection,
        "maven_duplicate",
        project_id=project_id,
        name=coordinates.name,
        version=coordinates.version,
        file_name=file_name,
        build=BUILD_IN_NAME,
        any_build=without_build(file_name) if is_any_build else None,
    )
    return bool(found)


async def _files(
    connection: Connection, project_ids: Collection[int], coordinates: Coordinates, file_name: str, *, limit: int
) -> list[MavenFile]:
    records = await fetch(
        connection,
        "maven_files",
        project_ids=list(project_ids),
        name=coordinates.name,
        version=coordinates.version,
        file_name=file_name,
        limit=limit,
    )
    return [MavenFile(record) for record in records]


def _plugin(row: Record) -> Plugin:
    return Plugin(name=row["name"], prefix=row["prefix"], artifact_id=row["artifact_id"])
