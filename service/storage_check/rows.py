"""The queries of a check of the storage."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from service.infra.postgres.database import Connection, Database, Record, execute, fetch

_PAGE: Final = 5_000


@dataclass(frozen=True, slots=True)
class FileRow:
    """The key and the size in bytes of a file, as its row has them."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file row, with names that a person knows; *is_going*: a deletion has begun to remove its object."""

    key: str
    size: int
    sha256: bytes
    package_file_id: int
    file_name: str
    status: str
    package_id: int
    project_id: int
    package_type: str
    package: str
    is_going: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading an object: its SHA-256, or why it cannot be read; neither, if it is not there."""

    sha256: bytes | None = None
    failure: str | None = None


async def files(database: Database) -> AsyncGenerator[Sequence[FileRow]]:
    """Give all file rows in the order of their keys, in pages, each of its own moment."""
    position = ""
    while True:
        async with database.connection() as connection:
            rows = await fetch(connection, "files_behind", position=position, limit=_PAGE)
        if not rows:
            return
        yield [FileRow(row["storage_key"], row["size"]) for row in rows]
        position = rows[-1]["storage_key"]


async def checksums_behind(connection: Connection, position: str, *, limit: int) -> list[tuple[FileRow, bytes]]:
    """Return the next files with their SHA-256, in the order of their keys."""
    rows = await fetch(connection, "checksums_behind", position=position, limit=limit)
    return [(FileRow(row["storage_key"], row["size"]), row["sha256"]) for row in rows]


async def files_of(connection: Connection, keys: Collection[str]) -> dict[str, CheckedFile]:
    """Return the file rows that refer to these keys now."""
    rows = await fetch(connection, "files_of_keys", keys=list(keys))
    return {row["storage_key"]: _checked(row, is_going=row["is_going"]) for row in rows}


async def delete_damaged(connection: Connection) -> None:
    """Begin a new comparison of checksums: what an earlier one found counts no more."""
    await execute(connection, "delete_damaged")


async def note_damaged(connection: Connection, found: Mapping[str, Reading]) -> None:
    """Keep which objects, by key, have another SHA-256 than their file, or cannot be read."""
    await execute(
        connection,
        "note_damaged",
        keys=list(found),
        checksums=[reading.sha256 for reading in found.values()],
        reasons=[reading.failure for reading in found.values()],
    )


async def damaged_behind(connection: Connection, position: str, *, limit: int) -> list[tuple[CheckedFile, Reading]]:
    """Return damaged files and what was read of their objects, as far as they are still there, by key."""
    rows = await fetch(connection, "damaged_files_behind", position=position, limit=limit)
    return [(_checked(row), Reading(row["found"], row["reason"])) for row in rows]


async def verification(connection: Connection) -> tuple[str | None, int]:
    """Return how far checksums were compared, None if to the end, and of how many objects."""
    (row,) = await fetch(connection, "verification")
    return row["verified_to"], row["verified"]


async def note_verified(connection: Connection, position: str | None, *, verified: int) -> None:
    """Note how far checksums were compared."""
    await execute(connection, "note_verified", position=position, verified=verified)


async def last_check(connection: Connection) -> tuple[datetime, datetime]:
    """Return when the last check by the scheduler began (the instance itself, if there was none), and the time now."""
    (row,) = await fetch(connection, "last_check")
    return row["checked_at"], row["now"]


async def note_check(connection: Connection, moment: datetime) -> None:
    """Note that a check that began at *moment* is done."""
    await execute(connection, "note_check", moment=moment)


def _checked(row: Record, *, is_going: bool = False) -> CheckedFile:
    return CheckedFile(
        key=row["storage_key"],
        size=row["size"],
        sha256=row["sha256"],
        package_file_id=row["id"],
        file_name=row["file_name"],
        status=row["status"],
        package_id=row["package_id"],
        project_id=row["project_id"],
        package_type=row["package_type"],
        package=" ".join(filter(None, (row["name"], row["version"]))),
        is_going=is_going,
    )
