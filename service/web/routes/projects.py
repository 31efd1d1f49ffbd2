"""The page of a project: its packages, and what is being deleted in it."""

from aiohttp import web

from schemas.http.package_parameters import ProjectPackageListing
from schemas.statuses import ENDED
from service.catalogue import json_reading, packages, statistics
from service.catalogue.guard import quotas
from service.deletions import holds
from service.deletions.viewing import overview as deletion_overview
from service.http.keys import READS
from service.web.deletions import Rights, hold_view, rights_of
from service.web.frame.rendering import render
from service.web.frame.routing import PROJECT, PageRoutes
from service.web.listings import first_if_lost, package_list, read_packages
from service.web.views import package_view, project_place
from service.web.visits import may_know_quotas, project_visit

routes = PageRoutes()


@routes.page(PROJECT)
async def show_project(request: web.Request) -> web.Response:
    """Show the packages of a project."""
    async with project_visit(request) as (connection, found):
        figures = await statistics.of_projects(connection, [found.project.id])
        hold = await holds.nearest_hold(connection, project_id=found.project.id)
        used = await quotas.around(connection, project_id=found.project.id) if may_know_quotas(found.level) else ()
        states = await deletion_overview.count_states(connection, [found.project.id])
    listing = read_packages(request, ProjectPackageListing)
    async with request.app[READS].connection(json_reading.cost_of(listing)) as reader:
        listed = await first_if_lost(listing, lambda wanted: packages.list_in_project(reader, found.project, wanted))
    return render(
        request,
        "project.html",
        place=project_place(found.project),
        list=package_list(request, listing, listed, figures),
        packages=[package_view(row, project_path=found.project.path) for row in listed.slice.rows],
        hold=hold_view(hold, found.level),
        quotas=used,
        states=states,
        under_way=sum(states[state] for state in states if state not in ENDED),
        may_delete=hold is None and rights_of(found.caller, found.level) >= Rights.CHANGE,
    )
