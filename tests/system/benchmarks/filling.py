"""Filling an empty database with a catalogue, by COPY."""

import hashlib
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg

from tests.system.benchmarks import names, places
from tests.system.benchmarks.names import VERSIONS, packages_of

SCHEMA: Final = "0010"
"""The version of the schema that is filled, with triggers off and indexes made afterwards.

Later migrations bring the rows to the present as they do in any database that is upgraded.
"""

_FIRST_ID: Final = 1_001
_BEGIN: Final = datetime(2019, 1, 1, tzinfo=UTC)
_YEARS: Final = timedelta(days=365 * 6)
_PIPELINES: Final = 8
"""Pipelines of a project; every second package was built by one."""
_CREATOR: Final = 3
_OFF: Final = "SET session_replication_role = replica; SET synchronous_commit = off; SET maintenance_work_mem = '1GB'"
_INDEXES: Final = """
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
 WHERE indrelid = ANY('{package,package_file}'::regclass[])
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
_STATISTICS: Final = """
INSERT INTO package_statistic
SELECT p.project_id, p.package_type, count(*), sum(p.shown_files), sum(p.shown_bytes), sum(p.shown_bytes)
  FROM package p GROUP BY 1, 2
"""
_SEQUENCES: Final = """
SELECT setval(pg_get_serial_sequence(t, 'id'), $1) FROM unnest('{package,package_file,pipeline,package_tag,
    project,directory_group,membership,directory_user}'::text[]) t
"""
_PACKAGE: Final = (
    *("id", "project_id", "package_type", "name", "version", "version_key", "status", "conan_username"),
    *("conan_channel", "creator_id", "created_at", "updated_at", "shown_files", "shown_bytes"),
)
_FILE: Final = (
    *("id", "package_id", "file_name", "size", "md5", "sha1", "sha256", "storage_key", "created_at", "updated_at"),
)


@dataclass(frozen=True, slots=True)
class _Row:
    """A package of the catalogue, from which the rows of every table follow."""

    id: int
    project_id: int
    named: names.Named
    created_at: datetime
    files: int
    pipeline_id: int | None

    @property
    def size(self) -> int:
        """Bytes of each of its files."""
        return 1_000 + self.id % 9_000


async def fill(connection: "asyncpg.Connection[asyncpg.Record]", size: int) -> None:
    """Fill an empty database, which has version SCHEMA, with *size* packages."""
    await connection.execute(_OFF)
    await _fill_directory(connection, size)
    indexes = await connection.fetch(_INDEXES)
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    keys = await connection.fetch(
        "SELECT version, semver_key(version) AS key FROM unnest($1::text[]) version", VERSIONS
    )
    await _copy(connection, "package", _PACKAGE, _packages(size, {row["version"]: row["key"] for row in keys}))
    await _copy(connection, "package_file", _FILE, _files(size))
    await _copy(connection, "package_tag", ("package_id", "name"), _tags(size))
    await _copy(connection, "package_build", ("package_id", "pipeline_id"), _builds(size))
    await _copy(connection, "package_file_build", ("package_file_id", "pipeline_id"), _file_builds(size))
    for index in indexes:
        await connection.execute(index["definition"])
    await connection.execute(_STATISTICS)
    await connection.execute(_SEQUENCES, size * 3 + 100_000)
    # Later migrations are planned as in a database that has been in use.
    await connection.execute("VACUUM (ANALYZE)")


async def _fill_directory(connection: "asyncpg.Connection[asyncpg.Record]", size: int) -> None:
    users = ((user, f"user-{user}", f"User {user}") for user in places.TOKENS)
    await _copy(connection, "directory_user", ("id", "username", "name"), users)
    tokens = (
        (user, "bench", hashlib.sha256(token.encode()).digest(), ["api"]) for user, token in places.TOKENS.items()
    )
    await _copy(connection, "access_token", ("user_id", "name", "digest", "scopes"), tokens)
    groups = [
        (group.id, group.ancestry[-2] if len(group.ancestry) > 1 else None, group.ancestry, group.path, group.path)
        for group in places.groups()
    ]
    columns: tuple[str, ...] = ("id", "parent_id", "ancestry", "path", "name", "visibility")
    await _copy(connection, "directory_group", columns, ((*group, "public") for group in groups))
    columns = ("id", "group_id", "path", "name", "visibility")
    rows = (
        (project.id, project.group_id, project.path, project.path, "private" if project.is_private else "public")
        for project in places.projects(size)
    )
    await _copy(connection, "project", columns, rows)
    columns = ("user_id", "group_id", "project_id", "access_level")
    await _copy(connection, "membership", columns, places.members())
    columns = ("id", "iid", "project_id", "sha", "ref", "status", "user_id")
    await _copy(connection, "pipeline", columns, _pipelines(size))


async def _copy(
    connection: "asyncpg.Connection[asyncpg.Record]", table: str, columns: Sequence[str], rows: Iterator[Any]
) -> None:
    await connection.copy_records_to_table(table, records=rows, columns=columns)


def _pipelines(size: int) -> Iterator[tuple[object, ...]]:
    for place, project in enumerate(places.projects(size)):
        for number in range(_PIPELINES):
            pipeline_id = _first_pipeline(place) + number
            yield pipeline_id, number + 1, project.id, f"{pipeline_id:040x}", "main", "success", _CREATOR


def _first_pipeline(place: int) -> int:
    return 100_001 + place * _PIPELINES


def _rows(size: int) -> Iterator[_Row]:
    numbers = itertools.count(_FIRST_ID)
    step = _YEARS / size
    for place, project in enumerate(places.projects(size)):
        for named in packages_of(project.id, project.packages, with_modules=project.id != places.LISTED):
            number = next(numbers)
            # In the list of a project, neither names nor versions come in order.
            moment = _BEGIN + step * (number * 7_919 % size)
            pipeline_id = _first_pipeline(place) + number % _PIPELINES if number % 2 else None
            files = 2 if named.package_type in {"maven", "debian"} else 1
            yield _Row(number, project.id, named, moment, files, pipeline_id)


def _packages(size: int, keys: dict[str, str]) -> Iterator[tuple[object, ...]]:
    for row in _rows(size):
        kind, name, version, _ = row.named
        recipe = ("acme", "stable") if kind == "conan" else (None, None)
        shown = row.files, row.files * row.size
        moments = row.created_at, row.created_at
        yield row.id, row.project_id, kind, name, version, keys[version], "default", *recipe, _CREATOR, *moments, *shown


def _numbered_files(size: int) -> Iterator[tuple[int, int, _Row]]:
    numbers = itertools.count(_FIRST_ID)
    for row in _rows(size):
        for place in range(row.files):
            yield next(numbers), place, row


def _files(size: int) -> Iterator[tuple[object, ...]]:
    draw = random.Random(size)  # noqa: S311 - the same in each run
    for number, place, row in _numbered_files(size):
        digests = draw.randbytes(84)
        key = digests[68:].hex()
        file_name = f"{row.named.name.rpartition('/')[2]}-{row.named.version}{('.tgz', '.pom')[place]}"
        yield (
            *(number, row.id, file_name, row.size, digests[:16], digests[16:36], digests[36:68]),
            *(f"projects/{row.project_id}/{key[-2:]}/{key}", row.created_at, row.created_at),
        )


def _tags(size: int) -> Iterator[tuple[object, ...]]:
    return ((row.id, "latest") for row in _rows(size) if row.named.is_newest and row.named.package_type == "npm")


def _builds(size: int) -> Iterator[tuple[object, ...]]:
    return ((row.id, row.pipeline_id) for row in _rows(size) if row.pipeline_id)


def _file_builds(size: int) -> Iterator[tuple[object, ...]]:
    return ((number, row.pipeline_id) for number, _, row in _numbered_files(size) if row.pipeline_id)
