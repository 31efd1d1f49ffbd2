"""The growth of storage: how much there was at the end of each of the last days, and how much was freed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from service.infra.postgres.database import Connection, fetch
from service.infra.postgres.records import row_reader


@dataclass(frozen=True, slots=True)
class DayFigures:
    """The figures of one day (UTC): those of packages and bytes at its end, and what was freed in it."""

    day: date
    packages: int
    logical_bytes: int
    """The bytes that listings show."""
    physical_bytes: int
    """The bytes in storage."""
    freed_bytes: int


@dataclass(frozen=True, slots=True)
class _DayChange:
    day: date
    packages: int
    logical_bytes: int
    physical_bytes: int
    freed_bytes: int


_change: Final = row_reader(_DayChange)


async def last_days(
    connection: Connection, project_ids: Collection[int], *, days: int, now: tuple[int, int, int]
) -> Sequence[DayFigures]:
    """Return the figures of these projects for each of the last *days* of which there are any, the oldest first.

    *now* has their packages, logical and physical bytes at this moment. The figures of a day follow from it and from
    the changes of all later days.
    """
    rows = await fetch(connection, "changes_of_days", project_ids=list(project_ids), days=days)
    packages, logical, physical = now
    found: list[DayFigures] = []
    for change in reversed([_change(row) for row in rows]):
        found.append(DayFigures(change.day, packages, logical, physical, change.freed_bytes))
        packages -= change.packages
        logical -= change.logical_bytes
        physical -= change.physical_bytes
    return found[::-1]
