"""The page of a group: what is in it, and the packages of all projects below it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from schemas.http.directory_parameters import GroupListing, GroupProjectsListing, ProjectOrderBy
from schemas.http.package_parameters import GroupPackageListing
from schemas.http.parameters import MAX_PER_PAGE
from schemas.names import AccessLevel
from schemas.searching import Sort
from schemas.statuses import ENDED
from service.access import access
from service.access.callers import WRITING_SCOPES, Caller
from service.access.rows import Group
from service.catalogue import browsing, json_reading, overview, packages, statistics
from service.catalogue.guard import quotas
from service.catalogue.overview import GroupFigures, ProjectFigures
from service.catalogue.packages import PackagePage
from service.catalogue.rows.groups import Depth, GroupRow
from service.catalogue.rows.projects import ProjectRow
from service.deletions import holds
from service.deletions.viewing import overview as deletion_overview
from service.http.keys import READS
from service.infra.postgres.database import Connection
from service.infra.postgres.expensive_reads import Cost
from service.web.deletions import hold_view
from service.web.frame.rendering import render
from service.web.frame.routing import GROUP, PageRoutes
from service.web.listings import first_if_lost, package_list, read_packages
from service.web.views import group_place, package_view
from service.web.visits import group_visit, may_know_quotas

routes = PageRoutes()


@dataclass(frozen=True, slots=True)
class Inside:
    """The direct content of a group; the figures are those of projects whose packages the caller may read."""

    subgroups: Sequence[GroupRow]
    projects: Sequence[ProjectRow]
    figures: Mapping[int, ProjectFigures]
    subgroup_figures: Mapping[int, GroupFigures]
    levels: Mapping[int, AccessLevel]
    """The caller's level in each project below the group that the caller may read."""


@routes.page(GROUP)
async def show_group(request: web.Request) -> web.Response:
    """Show a group."""
    async with group_visit(request) as (connection, caller, group):
        inside = await _contents(connection, caller, group)
        figures = await statistics.of_projects(connection, inside.levels)
        hold = await holds.nearest_hold(connection, group_id=group.id)
        may_know = may_know_quotas(access.level_in(caller, group))
        used = await quotas.around(connection, group_id=group.id) if may_know else ()
        states = await deletion_overview.count_states(connection, inside.levels)
    listing = read_packages(request, GroupPackageListing)
    listed, paths = await _listed(request, caller, group, listing, cost=json_reading.cost_in(inside.levels, listing))
    may_write = bool(caller.scopes & WRITING_SCOPES)
    return render(
        request,
        "group.html",
        place=group_place(group),
        list=package_list(request, listing, listed, figures),
        packages=[package_view(row, project_path=paths[row["project_id"]]) for row in listed.slice.rows],
        inside=inside,
        # A project may inherit the hold, so its reason is for those who could read it there.
        hold=hold_view(hold, min(inside.levels.values(), default=AccessLevel.NONE)),
        quotas=used,
        states=states,
        under_way=sum(states[state] for state in states if state not in ENDED),
        may_delete=hold is None
        and may_write
        and any(level >= AccessLevel.MAINTAINER for level in inside.levels.values()),
    )


async def _listed(
    request: web.Request, caller: Caller, group: Group, listing: GroupPackageListing, *, cost: Cost
) -> tuple[PackagePage, Mapping[int, str]]:
    paths: dict[int, str] = {}

    async def read(wanted: GroupPackageListing) -> PackagePage:
        found, readable = await packages.list_in_group(connection, caller, group, wanted)
        paths.update({number: project.path for number, project in readable.items()})
        return found

    async with request.app[READS].connection(cost) as connection:
        return await first_if_lost(listing, read), paths


async def _contents(connection: Connection, caller: Caller, group: Group) -> Inside:
    wanted = GroupListing.model_validate({"per_page": MAX_PER_PAGE, "all_available": "true"})
    subgroups = await browsing.list_groups(connection, caller, wanted, group=group, depth=Depth.CHILDREN)
    listing = GroupProjectsListing(order_by=ProjectOrderBy.PATH, sort=Sort.ASC, per_page=MAX_PER_PAGE)
    projects = await browsing.list_projects(connection, caller, listing, group=group)
    levels = await access.project_levels(connection, caller, group)
    visible = [row.id for row in projects.rows if row.id in levels]
    return Inside(
        subgroups.rows,
        projects.rows,
        await overview.figures_of(connection, visible),
        await overview.figures_of_groups(connection, [row.id for row in subgroups.rows], levels),
        levels,
    )
