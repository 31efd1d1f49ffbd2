"""A project or a group with all projects below it: the places in which many packages are deleted together."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from schemas.names import AccessLevel
from service.access import access
from service.access.callers import Caller
from service.infra.postgres.database import Connection
from service.refusals import ForbiddenError
from service.web.views import PlaceView, group_place, project_place
from service.web.visits import group_visit, project_visit


@dataclass(frozen=True, slots=True)
class PlaceScope:
    """The projects of one place whose packages the caller may read."""

    place: PlaceView
    caller: Caller
    levels: Mapping[int, AccessLevel]
    """The caller's level in each project."""
    paths: Mapping[int, str]

    @property
    def own(self) -> Mapping[int, AccessLevel]:
        """The projects in which the caller may delete."""
        return {number: level for number, level in self.levels.items() if level >= access.LEVEL_TO_DELETE}

    def require_own(self) -> Mapping[int, AccessLevel]:
        """Return the projects in which the caller may delete.

        Raises:
            ForbiddenError: there is none.
        """
        if not self.own:
            raise ForbiddenError
        return self.own


@asynccontextmanager
async def scope_visit(request: web.Request) -> AsyncGenerator[tuple[Connection, PlaceScope]]:
    """Give a connection and the place that the address names.

    Raises:
        RefusedError: the place is not visible, or its packages may not be read.
        PlaceMovedError: the address has a path that the project had before.
    """
    if request.path.startswith("/groups/"):
        async with group_visit(request) as (connection, caller, group):
            projects = await access.readable_projects(connection, caller, group)
            paths = {number: project.path for number, project in projects.items()}
            yield connection, PlaceScope(group_place(group), caller, access.levels_in(caller, projects), paths)
        return
    async with project_visit(request) as (connection, found):
        project = found.project
        levels, paths = {project.id: found.level}, {project.id: project.path}
        yield connection, PlaceScope(project_place(project), found.caller, levels, paths)
