"""The places that rules of retention belong to, and who may write rules there."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiohttp import web

from schemas.names import AccessLevel
from service.access import access
from service.access.callers import Caller
from service.http.carriers import OF_PROJECT, PERSONAL
from service.http.places import RoutePlace, of_group, of_project
from service.http.visits import caller_visit, group_visit, project_visit
from service.infra.postgres.database import Connection
from service.refusals import ForbiddenError, UnauthorizedError
from service.retention.rules import INSTANCE, RulePlace


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
        await access.require_level(connection, found.caller, found.project, access.LEVEL_TO_DELETE)
        yield connection, PlaceVisit(found.caller, RulePlace(project_id=found.project.id))


@asynccontextmanager
async def _in_group(request: web.Request) -> AsyncGenerator[tuple[Connection, PlaceVisit]]:
    async with group_visit(request) as (connection, caller, group):
        if access.level_in(caller, group) < AccessLevel.OWNER:
            raise ForbiddenError
        yield connection, PlaceVisit(caller, RulePlace(group_id=group.id))


@asynccontextmanager
async def _in_instance(request: web.Request) -> AsyncGenerator[tuple[Connection, PlaceVisit]]:
    async with caller_visit(request) as (connection, caller):
        if caller.credential is None:
            raise UnauthorizedError
        if not caller.is_admin:
            raise ForbiddenError
        yield connection, PlaceVisit(caller, INSTANCE)


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
