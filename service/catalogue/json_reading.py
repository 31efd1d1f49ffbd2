"""Packages and files as the JSON that API clients get, read in the round trip that finds caller and project."""

from collections.abc import Sized
from typing import TypeVar

from schemas.http import cursors
from schemas.http.cursors import PackagePosition
from schemas.http.package_parameters import FileListing, GroupPackageListing, PackageListing, ProjectPackageListing
from schemas.searching import search_terms
from service.access.group_lists import ListedProjects
from service.access.rows import VisitQuery, WithVisit
from service.catalogue.rows import group_pages, package_pages, search_pages
from service.catalogue.rows.package_orders import behind, position_at
from service.catalogue.rows.package_pages import Page
from service.infra.postgres.composing import Values
from service.infra.postgres.database import Connection
from service.infra.postgres.expensive_reads import Cost
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


def cost_of(listing: PackageListing) -> Cost:
    """Return what a list of one project costs."""
    if search_terms(listing.package_name or ""):
        return Cost.EXPENSIVE
    return Cost.PLAIN if listing.package_version is None else Cost.PLANNED


def cost_in(projects: Sized, listing: PackageListing) -> Cost:
    """Return what a list of these projects costs."""
    cost = cost_of(listing)
    if len(projects) <= group_pages.MANY_PROJECTS:
        return cost
    return Cost.LONG if cost is Cost.PLAIN else Cost.EXPENSIVE


async def list_in_project(
    connection: Connection, visit: VisitQuery, listing: ProjectPackageListing, *, base: str
) -> WithVisit[Page | None]:
    """Return a page of the project's packages; *base* is the address of the API."""
    position = _position(listing)
    if cost_of(listing) is Cost.EXPENSIVE:
        page = await search_pages.search_in_project(connection, visit, listing, position, base=base)
        return WithVisit(None, None, page)
    return await package_pages.list_packages(connection, visit, listing, position, base=base)


async def list_in_projects(
    connection: Connection, projects: ListedProjects, listing: GroupPackageListing, *, base: str
) -> Page:
    """Return a page of the packages of these projects."""
    position = _position(listing)
    if cost_of(listing) is Cost.EXPENSIVE:
        return await search_pages.search_in_projects(connection, projects, listing, position, base=base)
    return await group_pages.list_packages(connection, projects, listing, position, base=base)


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
