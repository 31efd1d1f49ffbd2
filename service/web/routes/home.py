"""The home page: what this is, what there is, what is being deleted."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from schemas.http.deletion_parameters import DeletionListing
from schemas.http.directory_parameters import AllProjectsListing, GroupListing
from schemas.searching import Sort
from schemas.statuses import DeletionState
from service.access.callers import Caller
from service.access.readable import ReadableProject
from service.catalogue import browsing, overview
from service.deletions.viewing import views
from service.infra.postgres.database import Connection
from service.web.deletions import DeletionView, readable_places, views_in
from service.web.frame.rendering import render
from service.web.frame.routing import PageRoutes
from service.web.parameters import read_listing, with_parameters
from service.web.visits import visit

routes = PageRoutes()

_NEWEST: Final = 8
_FAILED: Final = 5
_ROOT_GROUPS: Final = GroupListing.model_validate(
    {"per_page": 50, "all_available": "true", "top_level_only": "true", "order_by": "path"}
)


@routes.page("/")
async def show_home(request: web.Request) -> web.Response:
    """Show what the caller may read."""
    async with visit(request) as (connection, caller):
        listing = read_listing(request, AllProjectsListing, sort=Sort.ASC, search_namespaces=True)
        projects = await browsing.list_projects(connection, caller, listing, by_full_path=True)
        groups = (await browsing.list_groups(connection, caller, _ROOT_GROUPS)).rows
        places = await readable_places(connection, caller)
        visible = [row.id for row in projects.rows if row.id in places]
        figures = await overview.figures_of(connection, visible)
        group_figures = await overview.figures_of_groups(connection, [row.id for row in groups], places)
        newest = await _newest(connection, caller, places, per_page=_NEWEST)
        failed = await _newest(connection, caller, places, per_page=_FAILED, state=DeletionState.FAILED)
    return render(
        request,
        "home.html",
        listing=listing,
        projects=projects,
        groups=groups,
        group_figures=group_figures,
        figures=figures,
        readable=places,
        newest=newest,
        failed=failed,
        first_address=with_parameters(request, page=None) if listing.page > 1 else None,
        next_address=with_parameters(request, page=listing.page + 1) if projects.has_more else None,
    )


async def _newest(
    connection: Connection, caller: Caller, places: Mapping[int, ReadableProject], **listing: object
) -> list[DeletionView]:
    wanted = DeletionListing.model_validate(listing)
    ids = None if caller.is_admin else places
    listed = await views.list_newest(connection, ids, wanted)
    return views_in(listed.deletions, places, caller)
