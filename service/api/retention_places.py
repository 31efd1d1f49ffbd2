"""The places that rules of retention belong to, and who may write rules there."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiohttp import web

from service.access.callers import Caller
from service.http.carriers import OF_PROJECT, PERSONAL
from service.http.places import RoutePlace, of_group, of_project
from service.http.visits import caller_visit, group_visit, project_visit
from service.infra.postgres.database import Connection
from service.refusals import ForbiddenError, UnauthorizedError
from service.retention.rights import group_place, instance_place, project_place
from service.retention.rules import RulePlace


@dataclass(frozen=True, slots=True)
class PlaceVisit:
    """A caller who may write the rules of a place."""

    caller: Caller
    place: RulePlace


RuleVisit: TypeAlias = Callable[[web.Request], AbstractAsyncContextManager[tuple[Connection, PlaceVisit]]]
"""Gives a connection and the place of the request's path to a caller who may write rules there."""


@asynccontextmanager
async def _in_project(request: web.Request) -> AsyncGenerator[tuple[Connection, PlaceVisit]]:
    async with project_visit(request) as (connection, found):
        yield connection, PlaceVisit(found.caller, await project_place(connection, found.caller, found.project))


@asynccontextmanager
async def _in_group(request: web.Request) -> AsyncGenerator[tuple[Connection, PlaceVisit]]:
    async with group_visit(request) as (connection, caller, group):
        yield connection, PlaceVisit(caller, group_place(caller, group))


@asynccontextmanager
async def _in_instance(request: web.Request) -> AsyncGenerator[tuple[Connection, PlaceVisit]]:
    async with caller_visit(request) as (connection, caller):
        yield connection, PlaceVisit(caller, instance_place(caller))


RULE_PLACES: Final[tuple[RoutePlace[RuleVisit], ...]] = (
    of_project("/api/v4/projects/{id}", _in_project, carriers=OF_PROJECT),
    of_group("/api/v4/groups/{id}", _in_group, carriers=PERSONAL),
    RoutePlace(
        "instance",
        "the instance",
        "/api/v4",
        _in_instance,
        refusals=(UnauthorizedError, ForbiddenError),
        carriers=PERSONAL,
    ),
)
