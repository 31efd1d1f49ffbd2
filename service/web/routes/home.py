"""The home page: what this is, what there is, what is being deleted."""

from collections.abc import Collection, Sequence
from typing import Final

from aiohttp import web

from schemas.http.deletion_parameters import DeletionListing
from schemas.http.directory_parameters import AllProjectsListing, GroupListing
from schemas.searching import Sort
from schemas.statuses import DeletionState
from service.access import access
from service.access.callers import Caller
from service.catalogue import browsing, overview
from service.deletions.viewing import views
from service.deletions.viewing.views import DeletionDetails
from service.infra.postgres.database import Connection
from service.web.deletions import MOST_PROJECTS, views_in
from service.web.frame.rendering import render
from service.web.frame.routing import PageRoutes
from service.web.parameters import read_listing, with_parameters
from service.web.routes.everywhere import find_packages
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
        ids = await access.readable_ids(connection, caller, limit=MOST_PROJECTS)
        group_figures = await overview.figures_of_groups(connection, [row.id for row in groups], ids)
        failed = await _newest(connection, caller, ids, per_page=_FAILED, state=DeletionState.FAILED)
        newest = await _newest(connection, caller, ids, per_page=_NEWEST + _FAILED)
        # The page shows a deletion once.
        newest = [details for details in newest if details not in failed][:_NEWEST]
        shown = {row.id for row in projects.rows} | {each.deletion.project_id for each in (*newest, *failed)}
        levels = await access.levels_among(connection, caller, shown, group_id=None)
        figures = await overview.figures_of(connection, levels)
    words = listing.search
    return render(
        request,
        "home.html",
        listing=listing,
        projects=projects,
        groups=groups,
        group_figures=group_figures,
        figures=figures,
        readable=levels,
        found=await find_packages(request, ids, words) if words else None,
        newest=views_in(newest, levels, caller),
        failed=views_in(failed, levels, caller),
        first_address=with_parameters(request, page=None) if listing.page > 1 else None,
        next_address=with_parameters(request, page=listing.page + 1) if projects.has_more else None,
    )


async def _newest(
    connection: Connection, caller: Caller, ids: Collection[int], **listing: object
) -> Sequence[DeletionDetails]:
    wanted = DeletionListing.model_validate(listing)
    listed = await views.list_newest(connection, None if caller.is_admin else ids, wanted)
    return listed.deletions
