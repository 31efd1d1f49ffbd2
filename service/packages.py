"""Reading the catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.queries import GroupPackageListing, Paging, ProjectPackageListing
from service.access import Caller
from service.errors import NotFoundError
from service.infra import access_rows, package_rows
from service.infra.access_rows import Group, Project, ReadableProject
from service.infra.database import Connection, Record
from service.infra.package_rows import Slice


@dataclass(frozen=True, slots=True)
class GroupSlice:
    """A page of a group's packages, with the projects that the caller may read in it."""

    slice: Slice
    projects: Mapping[int, ReadableProject]


async def list_in_project(connection: Connection, project: Project, listing: ProjectPackageListing) -> Slice:
    """Return a page of the project's packages."""
    return await package_rows.list_packages(connection, [project.id], listing, listing.order_by)


async def list_in_group(
    connection: Connection, caller: Caller, group: Group, listing: GroupPackageListing
) -> GroupSlice:
    """Return a page of the packages of those projects below the group that the caller may read."""
    projects = await access_rows.readable_projects(
        connection,
        group,
        user_id=caller.user_id,
        is_admin=caller.is_admin,
        is_insider=caller.is_insider,
        exclude_subgroups=listing.exclude_subgroups,
    )
    found = await package_rows.list_packages(connection, list(projects), listing, listing.order_by)
    return GroupSlice(found, projects)


async def show(connection: Connection, project: Project, package_id: int) -> tuple[Record, list[Record]]:
    """Return the package and its other versions.

    Raises:
        NotFoundError: it is not in the project, or its status cannot be addressed.
    """
    package = await package_rows.find_package(connection, project_id=project.id, package_id=package_id)
    if package is None:
        raise NotFoundError
    return package, await package_rows.other_versions(connection, package)


async def list_files(connection: Connection, project: Project, package_id: int, paging: Paging) -> Slice:
    """Return a page of the package's files.

    Raises:
        NotFoundError: it is not in the project, or its status cannot be addressed.
    """
    package = await package_rows.find_package(connection, project_id=project.id, package_id=package_id)
    if package is None:
        raise NotFoundError
    return await package_rows.list_files(connection, package_id=package_id, page=paging.page, per_page=paging.per_page)


async def find_generic_file(
    connection: Connection, project: Project, *, name: str, version: str, file_name: str
) -> Record:
    """Return the newest file of that name and note that it is downloaded.

    Raises:
        NotFoundError: no installable package has it.
    """
    file = await package_rows.find_newest_file(
        connection, project_id=project.id, name=name, version=version, file_name=file_name
    )
    if file is None:
        raise NotFoundError
    await package_rows.note_download(connection, file["package_id"])
    return file
