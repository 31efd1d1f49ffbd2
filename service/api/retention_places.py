"""The places that rules of retention belong to: who may write rules there, and the same routes for each of them."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from schemas.base import Contract, Query
from schemas.names import AccessLevel
from service.access import access
from service.access.callers import Caller
from service.http.carriers import OF_PROJECT, PERSONAL
from service.http.operations import Answer, AnyRefusal, Handler, Routes
from service.http.parameters import UUID_RULE
from service.http.visits import GROUP_REFUSALS, PROJECT_REFUSALS, caller_visit, group_visit, project_visit
from service.infra.postgres.database import Connection
from service.refusals import ForbiddenError, MovedProjectWriteError, UnauthorizedError
from service.retention.rules import INSTANCE, RulePlace

_RULES: Final = {"run_id": UUID_RULE}


@dataclass(frozen=True, slots=True)
class PlaceVisit:
    """A caller who may write the rules of a place."""

    caller: Caller
    place: RulePlace


@asynccontextmanager
async def place_visit(request: web.Request) -> AsyncGenerator[tuple[Connection, PlaceVisit]]:
    """Give a connection and the place of the request's path.

    Raises:
        RefusedError: the caller may not write rules there: maintainers of a project, owners of a group, admins may.
    """
    path = request.rel_url.raw_path
    if path.startswith("/api/v4/projects/"):
        async with project_visit(request) as (connection, found):
            await access.require_level(connection, found.caller, found.project, access.LEVEL_TO_DELETE)
            yield connection, PlaceVisit(found.caller, RulePlace(project_id=found.project.id))
    elif path.startswith("/api/v4/groups/"):
        async with group_visit(request) as (connection, caller, group):
            if access.level_in(caller, group) < AccessLevel.OWNER:
                raise ForbiddenError
            yield connection, PlaceVisit(caller, RulePlace(group_id=group.id))
    else:
        async with caller_visit(request) as (connection, caller):
            if caller.credential is None:
                raise UnauthorizedError
            if not caller.is_admin:
                raise ForbiddenError
            yield connection, PlaceVisit(caller, INSTANCE)


class PlaceRoutes:
    """Routes that each exist for a project, a group and the instance."""

    def __init__(self, routes: Routes) -> None:
        """Add to these routes."""
        self._routes = routes

    def add(
        self,
        method: str,
        path: str,
        *,
        answers: Answer | Sequence[Answer],
        refusals: Sequence[AnyRefusal] = (),
        body: type[Contract] | None = None,
        query: type[Query] | None = None,
    ) -> Callable[[Handler], Handler]:
        """Serve a method on a path below each place."""
        moved: tuple[AnyRefusal, ...] = () if method == "get" else (MovedProjectWriteError,)
        places = (
            ("project", "/api/v4/projects/{id}", (*PROJECT_REFUSALS, *moved), OF_PROJECT),
            ("group", "/api/v4/groups/{id}", GROUP_REFUSALS, PERSONAL),
            ("instance", "/api/v4", (UnauthorizedError, ForbiddenError), PERSONAL),
        )

        def serve(handler: Handler) -> Handler:
            for name, prefix, own_refusals, carriers in places:
                about = {"body": body} if body else {}
                register = getattr(self._routes, method)
                register(
                    prefix + path,
                    answers=answers,
                    refusals=(*own_refusals, *refusals),
                    carriers=carriers,
                    path_rules=_RULES if "{run_id}" in path else {},
                    **about,
                    **({"query": query} if query else {}),
                )(_named(handler, name))
            return handler

        return serve


def _named(handler: Handler, place: str) -> Handler:
    """Return the handler under a name of its own, since each operation of the document needs one."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    handle.__name__ = f"{handler.__name__}_of_{place}"
    handle.__doc__ = (handler.__doc__ or "").replace("a place", f"a {place}" if place != "instance" else "the instance")
    return handle
