"""The packages of all projects that a reader may read: found from the home page, and a list of them all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from schemas.http.package_parameters import GroupPackageListing
from schemas.searching import Sort
from service.access import access
from service.catalogue import json_reading, packages, statistics
from service.catalogue.packages import PackagePage
from service.errors import DatabaseAwayError
from service.http.keys import READS
from service.refusals import SearchesBusyError
from service.web.deletions import MOST_PROJECTS
from service.web.frame.rendering import render
from service.web.frame.routing import PageRoutes
from service.web.listings import first_if_lost, package_list, read_packages
from service.web.views import PackageView, package_view
from service.web.visits import visit

routes = PageRoutes()

_ADDRESS: Final = "/-/packages"
_FOUND: Final = 5


@dataclass(frozen=True, slots=True)
class FoundPackages:
    """The packages that a search from the home page finds."""

    packages: Sequence[PackageView]
    has_more: bool = False
    is_late: bool = False
    """Whether the search took too long, or could not be made since others did."""


@routes.page(_ADDRESS)
async def list_packages_everywhere(request: web.Request) -> web.Response:
    """Show the packages of all projects that the caller may read."""
    async with visit(request) as (connection, caller):
        ids = await access.readable_ids(connection, caller, limit=MOST_PROJECTS)
        figures = await statistics.of_projects(connection, ids)
    listing = read_packages(request, GroupPackageListing)
    listed = await _listed(request, ids, listing)
    return render(
        request,
        "packages.html",
        list=package_list(request, listing, listed, figures),
        packages=_views(listed),
    )


async def find_packages(request: web.Request, project_ids: Sequence[int], words: str) -> FoundPackages:
    """Return the newest packages of these projects whose names have the words."""
    listing = GroupPackageListing(
        package_name=words, sort=Sort.DESC, include_versionless=True, per_page=_FOUND, pagination="keyset"
    )
    try:
        listed = await _listed(request, project_ids, listing)
    except (SearchesBusyError, DatabaseAwayError):
        # The server ends a search that takes too long. The rest of the page has been read already.
        return FoundPackages((), is_late=True)
    return FoundPackages(_views(listed), has_more=listed.slice.has_more)


async def _listed(request: web.Request, ids: Sequence[int], listing: GroupPackageListing) -> PackagePage:
    async with request.app[READS].connection(json_reading.cost_in(ids, listing)) as connection:
        return await first_if_lost(listing, lambda wanted: packages.list_among(connection, ids, wanted))


def _views(listed: PackagePage) -> list[PackageView]:
    return [package_view(row, project_path=row["project_path"]) for row in listed.slice.rows]
