"""Reading what pages show beside a listing: figures of projects, other versions of a package, people."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from schemas.names import PackageType
from schemas.statuses import PackageStatus
from service.infra.postgres.database import Connection, fetch, fetch_row
from service.infra.postgres.records import row_reader

_COUNTED: Final = 10_000
"""Other versions beyond these are not counted."""


@dataclass(frozen=True, slots=True)
class ProjectFigures:
    """How much a project has."""

    project_id: int
    packages: int
    files: int
    logical_bytes: int
    physical_bytes: int


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """How much a group has, with all that is below it."""

    group_id: int
    packages: int
    logical_bytes: int


@dataclass(frozen=True, slots=True)
class LargeProject:
    """A project, and how much is in storage for it."""

    project_id: int
    path: str
    packages: int
    logical_bytes: int
    physical_bytes: int


@dataclass(frozen=True, slots=True)
class SiblingVersion:
    """A package of the same name and type."""

    id: int
    version: str | None
    status: PackageStatus
    created_at: datetime
    total: int
    """How many such packages there are, this one among them."""


@dataclass(frozen=True, slots=True)
class BuiltPackage:
    """A package that a pipeline built."""

    id: int
    package_type: PackageType
    name: str
    version: str | None
    status: PackageStatus
    created_at: datetime
    pipeline: Mapping[str, Any]
    """The pipeline, as packages of the API show it."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user as others see it."""

    id: int
    username: str
    name: str


_read_figures: Final = row_reader(ProjectFigures)
_read_group: Final = row_reader(GroupFigures)
_read_large: Final = row_reader(LargeProject)
_read_version: Final = row_reader(SiblingVersion)
_read_built: Final = row_reader(BuiltPackage)
_read_person: Final = row_reader(Person)


async def figures_of(connection: Connection, project_ids: Collection[int]) -> dict[int, ProjectFigures]:
    """Return the figures of these projects by id; a project that never had a package has none."""
    rows = await fetch(connection, "figures_of_projects", project_ids=list(project_ids))
    return {row["project_id"]: _read_figures(row) for row in rows}


async def figures_of_groups(
    connection: Connection, group_ids: Collection[int], project_ids: Collection[int]
) -> dict[int, GroupFigures]:
    """Return the figures of these groups by id: those of the given projects that are below each."""
    rows = await fetch(connection, "figures_of_groups", group_ids=list(group_ids), project_ids=list(project_ids))
    return {row["group_id"]: _read_group(row) for row in rows}


async def largest_projects(
    connection: Connection, project_ids: Collection[int], *, limit: int
) -> Sequence[LargeProject]:
    """Return those of the projects with the most bytes in storage, the largest first."""
    rows = await fetch(connection, "largest_projects", project_ids=list(project_ids), limit=limit)
    return [_read_large(row) for row in rows]


async def newest_versions(
    connection: Connection, *, project_id: int, package_type: PackageType, name: str, limit: int
) -> Sequence[SiblingVersion]:
    """Return the newest displayable packages of that name and type."""
    rows = await fetch(
        connection,
        "newest_versions",
        project_id=project_id,
        package_type=package_type,
        name=name,
        counted=_COUNTED,
        limit=limit,
    )
    return [_read_version(row) for row in rows]


async def built_by(connection: Connection, *, project_id: int, pipeline_id: int, limit: int) -> Sequence[BuiltPackage]:
    """Return the newest packages that a pipeline built in its project; none for a pipeline that nothing shows."""
    rows = await fetch(connection, "packages_of_pipeline", project_id=project_id, pipeline_id=pipeline_id, limit=limit)
    return [_read_built(row) for row in rows]


async def people(connection: Connection, ids: Collection[int]) -> dict[int, Person]:
    """Return the users with these ids."""
    rows = await fetch(connection, "find_people", ids=list(ids)) if ids else []
    return {row["id"]: _read_person(row) for row in rows}


async def package_of_file(connection: Connection, package_file_id: int) -> int | None:
    """Return the id of the package that has the file, in whatever project."""
    row = await fetch_row(connection, "package_of_file", package_file_id=package_file_id)
    found: int | None = row["package_id"] if row else None
    return found
