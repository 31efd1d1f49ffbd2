"""How much there is in a project or a group."""

from collections.abc import Sequence

from aiohttp import web

from schemas.http.statistic_resources import PackageStatistics, TypeFigures
from service.catalogue import statistics
from service.catalogue.rows.statistics import StatisticsRow
from service.http import (
    GROUP_REFUSALS,
    MOVED,
    OF_PROJECT,
    PERSONAL,
    PROJECT_REFUSALS,
    Routes,
    ScopeVisit,
    group_scope,
    one,
    project_scope,
    reply,
)

routes = Routes("Statistics", carriers=OF_PROJECT)


@routes.get(
    "/api/v4/projects/{id}/package_statistics", answers=(one(PackageStatistics), MOVED), refusals=PROJECT_REFUSALS
)
async def show_project_statistics(request: web.Request) -> web.Response:
    """Show how many packages, files and bytes a project has."""
    return await _show(request, project_scope)


@routes.get(
    "/api/v4/groups/{id}/package_statistics",
    answers=one(PackageStatistics),
    refusals=GROUP_REFUSALS,
    carriers=PERSONAL,
)
async def show_group_statistics(request: web.Request) -> web.Response:
    """Show how many packages, files and bytes a group has, in the projects whose packages the caller may read."""
    return await _show(request, group_scope)


async def _show(request: web.Request, visit: ScopeVisit) -> web.Response:
    async with visit(request) as (connection, scope):
        rows = await statistics.of_projects(connection, scope.levels)
    return reply(_entity(rows))


def _entity(rows: Sequence[StatisticsRow]) -> PackageStatistics:
    types = [
        TypeFigures(
            package_type=row.package_type,
            packages=row.packages,
            files=row.files,
            logical_bytes=row.logical_bytes,
            physical_bytes=row.physical_bytes,
        )
        for row in rows
    ]
    return PackageStatistics(
        packages=sum(figures.packages for figures in types),
        files=sum(figures.files for figures in types),
        logical_bytes=sum(figures.logical_bytes for figures in types),
        physical_bytes=sum(figures.physical_bytes for figures in types),
        package_types=types,
    )
