"""The quotas that count in a project or group, and how much of each is used."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeAlias

from aiohttp import web

from schemas.http.statistic_resources import QuotaResource
from schemas.names import AccessLevel
from service.access import access
from service.access.roster import PlaceKey
from service.catalogue.guard import quotas
from service.catalogue.guard.quotas import QuotaUsage
from service.http import OF_PROJECT, PERSONAL, Routes, group_visit, one, project_visit, reply
from service.http.places import PlaceRoutes, of_group, of_project
from service.infra.postgres.database import Connection
from service.refusals import ForbiddenError

_Visit: TypeAlias = Callable[[web.Request], AbstractAsyncContextManager[tuple[Connection, PlaceKey]]]
"""Gives a connection and the place of the request's path to a caller who may know its quotas."""


@asynccontextmanager
async def _in_project(request: web.Request) -> AsyncGenerator[tuple[Connection, PlaceKey]]:
    async with project_visit(request) as (connection, found):
        _require(found.level)
        yield connection, PlaceKey(project_id=found.project.id)


@asynccontextmanager
async def _in_group(request: web.Request) -> AsyncGenerator[tuple[Connection, PlaceKey]]:
    async with group_visit(request) as (connection, caller, group):
        _require(access.level_in(caller, group))
        yield connection, PlaceKey(group_id=group.id)


routes = Routes("Statistics", carriers=OF_PROJECT)
_places: Final = PlaceRoutes[_Visit](
    routes,
    of_project("/api/v4/projects/{id}", _in_project),
    of_group("/api/v4/groups/{id}", _in_group, carriers=PERSONAL),
)


@_places.get("/quotas", answers=one(list[QuotaResource]))
async def list_place_quotas(request: web.Request, visit: _Visit) -> web.Response:
    """List the quotas that count in a place, the nearest first, to those who may publish there.

    They are its own and those of the groups around it. The bytes are those of all projects of the place that has the
    quota, also of projects that the caller cannot see.
    """
    async with visit(request) as (connection, place):
        found = await quotas.around(connection, project_id=place.project_id, group_id=place.group_id)
    return reply([_entity(usage) for usage in found])


def _require(level: AccessLevel) -> None:
    # Only who may publish needs to know, and the sums may be about projects that others cannot see.
    if level < AccessLevel.DEVELOPER:
        raise ForbiddenError


def _entity(usage: QuotaUsage) -> QuotaResource:
    return QuotaResource(
        id=usage.id,
        place="group" if usage.project_id is None else "project",
        group_id=usage.group_id,
        project_id=usage.project_id,
        path=usage.path,
        bytes=usage.bytes,
        enforce=usage.enforce,
        logical_bytes=usage.logical_bytes,
        physical_bytes=usage.physical_bytes,
        percent=usage.percent,
    )
