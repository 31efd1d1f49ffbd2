"""Reading the catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.http import cursors
from schemas.http.cursors import PackagePosition, PipelinePosition
from schemas.http.package_parameters import (
    FileListing,
    GroupPackageListing,
    PackageListing,
    PipelineListing,
    ProjectPackageListing,
)
from schemas.statuses import PackageStatus
from service.access import access
from service.access.callers import Caller
from service.access.readable import ReadableProject
from service.access.rows import Group, Project
from service.catalogue.rows import packages as package_rows
from service.catalogue.rows.package_orders import position_of
from service.infra.postgres.database import Connection, Record
from service.infra.postgres.pages import Slice
from service.refusals import BadParametersError, FileNotFoundInPackageError, NotFoundError, PackageNotPresentableError


@dataclass(frozen=True, slots=True)
class PackagePage:
    """A part of a listing, and with `pagination=keyset`, the cursor of what follows it."""

    slice: Slice
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Pipelines of a page, newest first, with the cursors of the pages around it."""

    pipelines: list[Record]
    cursors: Mapping[str, str | None]


async def list_in_project(connection: Connection, project: Project, listing: ProjectPackageListing) -> PackagePage:
    """Return a page of the project's packages.

    Raises:
        BadParametersError: the cursor is not one of this listing's.
    """
    return await _list(connection, [project.id], listing)


async def list_in_group(
    connection: Connection, caller: Caller, group: Group, listing: GroupPackageListing
) -> tuple[PackagePage, Mapping[int, ReadableProject]]:
    """Return a page of the packages of those projects below the group that the caller may read, and the projects.

    Raises:
        BadParametersError: the cursor is not one of this listing's.
    """
    projects = await access.readable_projects(connection, caller, group, exclude_subgroups=listing.exclude_subgroups)
    return await _list(connection, list(projects), listing), projects


async def list_among(connection: Connection, project_ids: Sequence[int], listing: PackageListing) -> PackagePage:
    """Return a page of the packages of these projects; the caller has to be one who may read them.

    Raises:
        BadParametersError: the cursor is not one of this listing's.
    """
    return await _list(connection, project_ids, listing)


async def find(connection: Connection, project: Project, package_id: int) -> Record:
    """Return the package alone.

    Raises:
        NotFoundError: it is not in the project, or its status cannot be addressed.
    """
    package = await package_rows.find_package(connection, project_id=project.id, package_id=package_id)
    if package is None:
        raise NotFoundError
    return package


async def list_files(connection: Connection, project: Project, package_id: int, listing: FileListing) -> Slice:
    """Return a page of the package's files.

    Raises:
        NotFoundError: the package is not in the project, or its status cannot be addressed.
    """
    await find(connection, project, package_id)
    return await package_rows.list_files(connection, package_id=package_id, listing=listing)


async def list_pipelines(
    connection: Connection, project: Project, package_id: int, listing: PipelineListing
) -> Neighbours:
    """Return a page of the pipelines that built the package, newest first.

    Raises:
        NotFoundError: the package is not in the project, or its status cannot be addressed.
        PackageNotPresentableError: the package is in `error`.
        BadParametersError: the cursor is not one of ours.
    """
    package = await find(connection, project, package_id)
    if package["status"] == PackageStatus.ERROR:
        raise PackageNotPresentableError
    position = cursors.decoded(listing.cursor, PipelinePosition) if listing.cursor else None
    if listing.cursor and position is None:
        raise BadParametersError("cursor is invalid")
    rows = await package_rows.list_pipelines(
        connection,
        package_id=package_id,
        position=position.id if position else None,
        is_before=position is not None and position.is_before,
        limit=listing.per_page + 1,
    )
    return _neighbours(
        [row["pipeline"] for row in rows[: listing.per_page]], position, has_more=len(rows) > listing.per_page
    )


def _neighbours(pipelines: list[Record], position: PipelinePosition | None, *, has_more: bool) -> Neighbours:
    """Return the page of these pipelines; *has_more* in the direction in which they were read."""
    is_before = position is not None and position.is_before
    if is_before:
        pipelines.reverse()
    has_newer, has_older = (has_more, True) if is_before else (position is not None, has_more)
    return Neighbours(
        pipelines,
        {
            "prev": _beside(pipelines[:1], is_before=True) if has_newer else None,
            "next": _beside(pipelines[-1:], is_before=False) if has_older else None,
        },
    )


async def find_file(connection: Connection, project: Project, package_id: int, package_file_id: int) -> Record:
    """Return a file of a package that can be downloaded.

    Raises:
        NotFoundError: the package is not in the project, or its status cannot be addressed.
        FileNotFoundInPackageError: the file is not one of the package, or cannot be downloaded.
    """
    await find(connection, project, package_id)
    file = await package_rows.find_file(connection, package_id=package_id, package_file_id=package_file_id)
    if file is None:
        raise FileNotFoundInPackageError
    return file


async def find_generic_file(
    connection: Connection, project: Project, *, name: str, version: str, file_name: str
) -> Record:
    """Return the newest file of that name.

    Raises:
        NotFoundError: no installable package has it.
    """
    file = await package_rows.find_newest_file(
        connection, project_id=project.id, name=name, version=version, file_name=file_name
    )
    if file is None:
        raise NotFoundError
    return file


async def _list(connection: Connection, project_ids: Sequence[int], listing: PackageListing) -> PackagePage:
    found = await _part(connection, project_ids, listing)
    follows = listing.is_keyset and found.has_more and cursors.encoded(position_of(listing, found.rows[-1]))
    return PackagePage(found, follows or None)


async def _part(connection: Connection, project_ids: Sequence[int], listing: PackageListing) -> Slice:
    if not (listing.is_keyset and listing.cursor):
        return await package_rows.list_packages(connection, project_ids, listing)
    position = cursors.decoded(listing.cursor, PackagePosition)
    found = None
    if position is not None:
        found = await package_rows.list_packages_behind(connection, project_ids, listing, position)
    if found is None:
        raise BadParametersError("cursor is invalid")
    return found


def _beside(pipelines: Sequence[Record], *, is_before: bool) -> str | None:
    return cursors.encoded(PipelinePosition(id=pipelines[0]["id"], is_before=is_before)) if pipelines else None
