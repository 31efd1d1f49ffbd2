"""Finding the packages that one call is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from schemas.http.bulk import MOST_PACKAGES, PackageFilter
from schemas.names import AccessLevel, PackageType
from schemas.statuses import DISPLAYABLE, INTACT
from service.catalogue.rows.packages import selection
from service.concurrency import map_in_turns
from service.infra.postgres.composing import Values
from service.infra.postgres.database import Connection, fetch_composed
from service.infra.postgres.queries import listed
from service.infra.postgres.records import row_reader

Selected: TypeAlias = PackageFilter | tuple[int, ...]
"""Packages, by a filter or by their ids."""

_LATEST: Final = """p.id NOT IN (
    SELECT ranked.id FROM (
        SELECT o.id, row_number() OVER (
                   PARTITION BY o.project_id, o.package_type, o.name, o.conan_username, o.conan_channel
                   ORDER BY o.created_at DESC, o.id DESC) AS place
          FROM package o WHERE o.project_id = ANY({projects}) AND o.status IN {intact}) ranked
     WHERE ranked.place <= {count})"""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A package that was asked for, in its present state."""

    id: int
    project_id: int
    package_type: PackageType
    name: str
    version: str | None
    status: str
    level: AccessLevel
    """The caller's, in its project."""
    hold: str | None
    """Why nothing of its project may be deleted."""
    is_protected: bool
    """A rule of its project demands a higher level."""
    files: int
    bytes: int


_read_candidate: Final = row_reader(Candidate)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The packages of one call, and how many more match."""

    packages: list[Candidate]
    remaining: int


async def find_candidates(
    connection: Connection, levels: Mapping[int, AccessLevel], wanted: Selected, *, lock: bool
) -> Candidates:
    """Return the packages in these projects (id -> the caller's level) that are *wanted*, by ids or by a filter.

    They are locked until the transaction ends if *lock* is set. Of more than 10,000, the oldest are taken.
    """
    values = Values()
    projects = values.place(list(levels), "bigint[]")
    parts = {
        "projects": projects,
        "levels": values.place(list(levels.values()), "smallint[]"),
        "limit": values.place(MOST_PACKAGES + 1, "bigint"),
        "lock": "FOR UPDATE" if lock else "",
    }
    parts["conditions"] = " AND ".join(_conditions(values, wanted, projects))
    rows = await fetch_composed(connection, "plan_deletions", parts, values.all)
    packages = await map_in_turns(_read_candidate, rows[:MOST_PACKAGES])
    if len(rows) <= MOST_PACKAGES:
        return Candidates(packages, remaining=0)
    return Candidates(packages, remaining=await _count(connection, levels, wanted) - len(packages))


async def _count(connection: Connection, levels: Mapping[int, AccessLevel], wanted: Selected) -> int:
    values = Values()
    projects = values.place(list(levels), "bigint[]")
    parts = {"projects": projects, "conditions": " AND ".join(_conditions(values, wanted, projects))}
    (row,) = await fetch_composed(connection, "count_planned", parts, values.all)
    total: int = row["total"]
    return total


def _conditions(values: Values, wanted: Selected, projects: str) -> list[str]:
    if isinstance(wanted, tuple):
        return [f"p.id = ANY({values.place(wanted, 'bigint[]')})", f"p.status IN {listed(DISPLAYABLE)}"]
    conditions = selection(values, wanted)
    if wanted.created_before is not None:
        conditions.append(f"p.created_at < {values.place(wanted.created_before, 'timestamptz')}")
    if wanted.last_downloaded_before is not None:
        moment = values.place(wanted.last_downloaded_before, "timestamptz")
        conditions.append(f"coalesce(p.last_downloaded_at, p.created_at) < {moment}")
    if wanted.keep_latest_per_name is not None:
        count = values.place(wanted.keep_latest_per_name, "bigint")
        conditions.append(_LATEST.format(projects=projects, count=count, intact=listed(INTACT)))
    return conditions
