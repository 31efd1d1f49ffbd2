"""npm ping, whoami and audit."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeAlias

from aiohttp import web
from pydantic import BaseModel

from service.http.carriers import OF_PACKAGE_MANAGERS
from service.http.operations import MOVED, Answer, Routes
from service.http.places import PlaceRoutes, RoutePlace, of_group, of_project
from service.http.replies import reply
from service.http.visits import GROUP_REFUSALS, PROJECT_REFUSALS, caller_visit, group_visit, project_visit
from service.refusals import UnauthorizedError
from service.registries.npm.visits import GROUP, INSTANCE, PROJECT

_Visiting: TypeAlias = Callable[[web.Request], AbstractAsyncContextManager[object]]

routes = Routes("npm", carriers=OF_PACKAGE_MANAGERS)
_places: Final = PlaceRoutes[_Visiting](
    routes,
    of_project(PROJECT, project_visit),
    of_group(GROUP, group_visit),
    RoutePlace("", "the instance", INSTANCE, caller_visit),
)

_PING: Final = "/-/ping"
_WHOAMI: Final = "/-/whoami"
_BULK: Final = "/-/npm/v1/security/advisories/bulk"
_QUICK: Final = "/-/npm/v1/security/audits/quick"
_ADVISORIES: Final = Answer(200, list[str])


class NpmUser(BaseModel):
    """The user of a credential, as npm asks for it."""

    username: str


@_places.get(_PING, answers=Answer(200, dict[str, str]), refuses_unknown=True, repeats_refusals=True)
async def ping_npm_of_place(request: web.Request, visiting: _Visiting) -> web.Response:
    """Answer npm's question whether the registry of a place is there."""
    async with visiting(request):
        return reply({})


@routes.get(
    PROJECT + _WHOAMI,
    answers=(Answer(200, NpmUser), MOVED),
    refusals=(*PROJECT_REFUSALS, UnauthorizedError),
    refuses_unknown=True,
    repeats_refusals=True,
)
@routes.get(
    GROUP + _WHOAMI,
    answers=Answer(200, NpmUser),
    refusals=(*GROUP_REFUSALS, UnauthorizedError),
    is_hidden=True,
    refuses_unknown=True,
    repeats_refusals=True,
)
@routes.get(
    INSTANCE + _WHOAMI,
    answers=Answer(200, NpmUser),
    refusals=(UnauthorizedError,),
    is_hidden=True,
    refuses_unknown=True,
    repeats_refusals=True,
)
async def show_npm_user(request: web.Request) -> web.Response:
    """Show npm the user of the credential; a deploy token has none, and is named by its number."""
    async with caller_visit(request) as (_, caller):
        if caller.credential is None:
            raise UnauthorizedError
        return reply(NpmUser(username=caller.username or f"deploy-token-{caller.token_id}"))


@_places.post(_BULK, answers=_ADVISORIES, refuses_unknown=True, repeats_refusals=True)
@_places.post(_QUICK, answers=_ADVISORIES, is_hidden=True, refuses_unknown=True, repeats_refusals=True)
async def audit_npm_in_place(request: web.Request, visiting: _Visiting) -> web.Response:
    """Answer npm audit at the address of a place with no advisories: none are known here."""
    async with visiting(request):
        return reply([])
