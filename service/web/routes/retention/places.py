"""The places whose rules have pages: projects, groups and the instance; the same pages for each of them."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from service.access.callers import Caller
from service.http.operations import Handler
from service.infra.postgres.database import Connection
from service.retention import rights
from service.retention.rules import RulePlace
from service.web.frame.routing import GROUP, PROJECT, PageRoutes
from service.web.views import PlaceView, group_place, project_place
from service.web.visits import group_visit, project_visit, visit

PAGE: Final = "/-/retention"
_PLACES: Final = (PROJECT, GROUP, "")

_Adding = Callable[[str], Callable[[Handler], Handler]]


@dataclass(frozen=True, slots=True)
class RuledPlace:
    """A place whose rules the caller may write."""

    caller: Caller
    key: RulePlace
    view: PlaceView | None
    """None: the instance."""

    @property
    def base(self) -> str:
        """The address of the place itself."""
        return "" if self.view is None else self.view.address

    @property
    def address(self) -> str:
        """The page of its rules."""
        return self.base + PAGE

    def rule_address(self, rule_id: int) -> str:
        """Return the page of one of its rules."""
        return f"{self.address}/rules/{rule_id}"


class RulePages:
    """Pages that each exist for a project, a group and the instance."""

    def __init__(self, routes: PageRoutes) -> None:
        """Add to these routes."""
        self._routes = routes

    def page(self, path: str) -> Callable[[Handler], Handler]:
        """Serve a page below the rules of each place."""
        return _each(self._routes.page, path)

    def resource(self, path: str) -> Callable[[Handler], Handler]:
        """Serve a file below the rules of each place."""
        return _each(self._routes.resource, path)

    def form(self, path: str) -> Callable[[Handler], Handler]:
        """Serve a form below the rules of each place."""
        return _each(self._routes.form, path)


@asynccontextmanager
async def ruled_visit(request: web.Request) -> AsyncGenerator[tuple[Connection, RuledPlace]]:
    """Give a connection and the place that the address names.

    Raises:
        RefusedError: the place is not visible, or the caller may not write its rules.
        PlaceMovedError: the address has a path that the project had before.
    """
    if request.path.startswith("/groups/"):
        async with group_visit(request) as (connection, caller, group):
            yield connection, RuledPlace(caller, rights.group_place(caller, group), group_place(group))
    elif "path" in request.match_info:
        async with project_visit(request) as (connection, found):
            key = await rights.project_place(connection, found.caller, found.project)
            yield connection, RuledPlace(found.caller, key, project_place(found.project))
    else:
        async with visit(request) as (connection, caller):
            yield connection, RuledPlace(caller, rights.instance_place(caller), None)


def _each(add: _Adding, path: str) -> Callable[[Handler], Handler]:
    def serve(handler: Handler) -> Handler:
        for place in _PLACES:
            add(place + PAGE + path)(handler)
        return handler

    return serve
