"""The page that says of one package why it stays, or when it goes."""

from aiohttp import web

from service.access import access
from service.catalogue import packages
from service.http.keys import CONTEXT
from service.refusals import NotFoundError
from service.retention import preview, runs
from service.retention.entities import retention_entity
from service.web.frame.rendering import render, see_other
from service.web.frame.routing import PageRoutes
from service.web.parameters import read_number
from service.web.routes.packages import PACKAGE
from service.web.views import package_view, project_place
from service.web.visits import may_write_rules, project_to_change, project_visit, sent_form

routes = PageRoutes()


@routes.page(PACKAGE + "/retention")
async def show_fate(request: web.Request) -> web.Response:
    """Show which rule lets a package stay, or by which one it would go."""
    package_id = read_number(request, "package_id")
    async with project_visit(request) as (connection, found):
        package = await packages.find(connection, found.project, package_id)
        if not await runs.is_listed(connection, found.project.id, package_id):
            raise NotFoundError
        verdict, plan, stored = await preview.fate_of(connection, found.project.id, package_id)
    return render(
        request,
        "retention/package.html",
        place=project_place(found.project),
        package=package_view(package, project_path=found.project.path),
        fate=retention_entity(verdict, plan, stored),
        may_change=may_write_rules(found.caller, found.project),
    )


@routes.form(PACKAGE + "/retention/release")
async def release_package(request: web.Request) -> web.Response:
    """Let rules take a package again that was restored from them, and show what they would do."""
    caller, _ = await sent_form(request)
    found = await project_to_change(request, caller, access.LEVEL_TO_DELETE)
    package_id = read_number(request, "package_id")
    async with request.app[CONTEXT].database.transaction() as connection:
        if not await runs.is_listed(connection, found.project.id, package_id):
            raise NotFoundError
        await runs.release_package(connection, package_id)
    room = request.match_info["room"]
    return see_other(request, f"/{found.project.path}/-/{room}/{package_id}/retention")
