"""Rows of the figures of projects, and how far these are from what other rows say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from schemas.names import PackageType
from service.infra.postgres.database import Connection, fetch
from service.infra.postgres.records import row_reader


@dataclass(frozen=True, slots=True)
class StatisticsRow:
    """The figures of one type of packages."""

    package_type: PackageType
    packages: int
    files: int
    logical_bytes: int
    physical_bytes: int


@dataclass(frozen=True, slots=True)
class Miscount:
    """Figures that differ from their rows; by name, the figure that is kept and the one that is right."""

    project_id: int
    package_type: str
    kept: dict[str, int]
    expected: dict[str, int]
    package_id: int | None = None
    """The package whose own figures they are."""
    package: str | None = None


_statistics: Final = row_reader(StatisticsRow)

_OF_PROJECTS = ("packages", "files", "logical_bytes", "physical_bytes")


async def statistics(connection: Connection, project_ids: Sequence[int]) -> list[StatisticsRow]:
    """Return the figures of these projects together, a row for each type of package that there is."""
    records = await fetch(connection, "package_statistics", project_ids=list(project_ids))
    return [_statistics(record) for record in records]


async def fold(connection: Connection, *, limit: int) -> int:
    """Add up to *limit* changes to the figures, and to those of today; return how many there were."""
    (row,) = await fetch(connection, "fold_statistics", limit=limit)
    changes: int = row["changes"]
    return changes


async def prune_days(connection: Connection, *, kept: timedelta, limit: int) -> int:
    """Remove at most *limit* figures of days that ended longer ago than *kept*; return how many."""
    (row,) = await fetch(connection, "prune_statistic_days", kept=kept, limit=limit)
    days: int = row["days"]
    return days


async def miscounted_packages(connection: Connection, *, after: int, limit: int) -> list[Miscount]:
    """Return packages with an id above *after* that do not show what their files say, by id."""
    rows = await fetch(connection, "miscounted_packages", after=after, limit=limit)
    return [
        Miscount(
            row["project_id"],
            row["package_type"],
            kept={"files": row["shown_files"], "bytes": row["shown_bytes"]},
            expected={"files": row["files"], "bytes": row["bytes"]},
            package_id=row["id"],
            package=" ".join(filter(None, (row["name"], row["version"]))),
        )
        for row in rows
    ]


async def count_package_anew(connection: Connection, package_id: int) -> None:
    """Let a package show what its files say; within a transaction, which holds up who changes them."""
    await fetch(connection, "lock_package_to_count", package_id=package_id)
    await fetch(connection, "count_package_anew", package_id=package_id)


async def miscounted_projects(connection: Connection, *, mend: bool, limit: int) -> tuple[list[Miscount], int]:
    """Return up to *limit* figures of projects that are wrong, and how many there are; *mend* puts them right."""
    rows = await fetch(connection, "miscounted_projects", mend=mend, limit=limit)
    found = [
        Miscount(
            row["project_id"],
            row["package_type"],
            kept={name: row[f"kept_{name}"] for name in _OF_PROJECTS},
            expected={name: row[name] for name in _OF_PROJECTS},
        )
        for row in rows
    ]
    return found, rows[0]["total"] if rows else 0
