"""The page of a pipeline: where its commit came from, and the packages that it built."""

from typing import Final

from aiohttp import web

from service.catalogue import overview
from service.refusals import NotFoundError
from service.web.frame.rendering import render
from service.web.frame.routing import PROJECT, PageRoutes
from service.web.parameters import read_number
from service.web.views import package_address, pipeline_view, project_place
from service.web.visits import project_visit

routes = PageRoutes()

_MOST: Final = 100


@routes.page(PROJECT + "/-/pipelines/{pipeline_id:[0-9]+}")
async def show_pipeline(request: web.Request) -> web.Response:
    """Show a pipeline that some package of the project names."""
    pipeline_id = read_number(request, "pipeline_id")
    async with project_visit(request) as (connection, found):
        built = await overview.built_by(connection, project_id=found.project.id, pipeline_id=pipeline_id, limit=_MOST)
    if not built:
        raise NotFoundError
    return render(
        request,
        "pipeline.html",
        place=project_place(found.project),
        pipeline=pipeline_view(built[0].pipeline),
        built=[(package, package_address(found.project.path, package.package_type, package.id)) for package in built],
    )
