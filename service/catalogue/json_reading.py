"""Packages and files as the JSON that API clients get, read in the round trip that finds caller and project."""

from typing import TypeVar

from schemas.http import cursors
from schemas.http.cursors import PackagePosition
from schemas.http.package_parameters import FileListing, GroupPackageListing, PackageListing, ProjectPackageListing
from service.access import access
from service.access.callers import Caller
from service.access.rows import Group, VisitQuery, WithVisit
from service.catalogue.rows import group_pages, package_pages
from service.catalogue.rows.group_pages import ListedProject
from service.catalogue.rows.package_orders import behind, position_at
from service.catalogue.rows.package_pages import Page
from service.infra.postgres.composing import Values
from service.infra.postgres.database import Connection
from service.refusals import BadParametersError

_Listing = TypeVar("_Listing", bound=PackageListing)


def checked(listing: _Listing) -> _Listing:
    """Return the listing.

    Raises:
        BadParametersError: its cursor is not one of this listing's.
    """
    if listing.is_keyset and listing.cursor and _position(listing) is None:
        raise BadParametersError("cursor is invalid")
    return listing


async def list_in_project(
    connection: Connection, visit: VisitQuery, listing: ProjectPackageListing, *, base: str
) -> WithVisit[Page | None]:
    """Return a page of the project's packages; *base* is the address of the API."""
    return await package_pages.list_packages(connection, visit, listing, _position(listing), base=base)


async def list_in_group(
    connection: Connection, caller: Caller, group: Group, listing: GroupPackageListing, *, base: str
) -> Page:
    """Return a page of the packages of those projects below the group that the caller may read."""
    projects = await access.readable_projects(connection, caller, group, exclude_subgroups=listing.exclude_subgroups)
    listed = [
        ListedProject(project.id, project.path, may_delete=access.may_delete_below_group(caller, project))
        for project in projects.values()
    ]
    return await group_pages.list_packages(connection, listed, listing, _position(listing), base=base)


async def show(
    connection: Connection, visit: VisitQuery, package_ids: tuple[int, ...], *, base: str
) -> WithVisit[str | None]:
    """Return the package and its other versions as JSON; None if it is not there, or its status is not addressed."""
    (package_id,) = package_ids
    return await package_pages.show_package(connection, visit, package_id, base=base)


async def list_files(
    connection: Connection, visit: VisitQuery, wanted: tuple[FileListing, tuple[int, ...]], *, base: str
) -> WithVisit[Page | None]:
    """Return a page of the package's files; None if it is not there, or its status is not addressed."""
    listing, (package_id,) = wanted
    return await package_pages.list_files(connection, visit, package_id, listing, base=base)


def next_cursor(listing: PackageListing, page: Page) -> str | None:
    """Return the cursor of what follows the page, with `pagination=keyset`."""
    if not listing.is_keyset or page.last is None:
        return None
    return cursors.encoded(position_at(listing, *page.last))


def _position(listing: PackageListing) -> PackagePosition | None:
    if not (listing.is_keyset and listing.cursor):
        return None
    position = cursors.decoded(listing.cursor, PackagePosition)
    return position if position is not None and behind(listing, position, Values()) is not None else None
