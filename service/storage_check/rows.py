"""Rows that a check of the storage reads and writes."""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from schemas.checks import CheckReport
from service.infra.postgres.database import Connection, Database, execute, fetch
from service.infra.postgres.records import row_reader

_PAGE: Final = 5_000


@dataclass(frozen=True, slots=True)
class FileObject:
    """The object that a file row refers to: its key, and its size in bytes."""

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
    is_going: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading an object: its SHA-256, or why it cannot be read; neither, if it is not there."""

    sha256: bytes | None = None
    failure: str | None = None


_file_object: Final = row_reader(FileObject)
_checked_file: Final = row_reader(CheckedFile)


async def files(database: Database) -> AsyncGenerator[Sequence[FileObject]]:
    """Give all file rows in the order of their keys, in pages, each of its own moment."""
    position = ""
    while True:
        async with database.connection() as connection:
            rows = await fetch(connection, "files_behind", position=position, limit=_PAGE)
        if not rows:
            return
        page = [_file_object(row) for row in rows]
        yield page
        position = page[-1].key


async def checksums_behind(connection: Connection, position: str, *, limit: int) -> list[tuple[FileObject, bytes]]:
    """Return the next files with their SHA-256, in the order of their keys."""
    rows = await fetch(connection, "checksums_behind", position=position, limit=limit)
    return [(_file_object(row), row["sha256"]) for row in rows]


async def files_of(connection: Connection, keys: Collection[str]) -> dict[str, CheckedFile]:
    """Return the file rows that refer to these keys now."""
    rows = await fetch(connection, "files_of_keys", keys=list(keys))
    return {row["key"]: _checked_file(row) for row in rows}


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
    """Return damaged files that are still there, with the reading of their objects, by key."""
    rows = await fetch(connection, "damaged_files_behind", position=position, limit=limit)
    return [(_checked_file(row), Reading(row["found"], row["reason"])) for row in rows]


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


async def note_check(connection: Connection, moment: datetime, report: CheckReport) -> None:
    """Note that a check that began at *moment* is done, with its report."""
    await execute(connection, "note_check", moment=moment, report=report.model_dump_json())


async def last_report(connection: Connection) -> CheckReport | None:
    """Return the report of the last check by the scheduler, if there was one since reports are kept."""
    (row,) = await fetch(connection, "check_report")
    return None if row["report"] is None else CheckReport.model_validate(row["report"])
