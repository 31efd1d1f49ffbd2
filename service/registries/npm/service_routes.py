"""npm ping, whoami and audit."""

from typing import Final

from aiohttp import web
from pydantic import BaseModel

from service.http.carriers import OF_PACKAGE_MANAGERS
from service.http.operations import MOVED, Answer, Routes
from service.http.replies import reply
from service.http.visits import GROUP_REFUSALS, PROJECT_REFUSALS, caller_visit, group_visit, project_visit
from service.refusals import MovedProjectWriteError, UnauthorizedError
from service.registries.npm.visits import GROUP, INSTANCE, PROJECT

routes = Routes("npm", carriers=OF_PACKAGE_MANAGERS)

_PING: Final = "/-/ping"
_WHOAMI: Final = "/-/whoami"
_BULK: Final = "/-/npm/v1/security/advisories/bulk"
_QUICK: Final = "/-/npm/v1/security/audits/quick"
_EMPTY: Final = Answer(200, dict[str, str])
_ADVISORIES: Final = Answer(200, list[str])


class NpmUser(BaseModel):
    """The user of a credential, as npm asks for it."""

    username: str


@routes.get(
    PROJECT + _PING,
    answers=(_EMPTY, MOVED),
    refusals=PROJECT_REFUSALS,
    refuses_unknown=True,
    repeats_refusals=True,
)
async def ping_npm_of_project(request: web.Request) -> web.Response:
    """Answer npm's question whether the registry of a project is there."""
    async with project_visit(request):
        return reply({})


@routes.get(GROUP + _PING, answers=_EMPTY, refusals=GROUP_REFUSALS, refuses_unknown=True, repeats_refusals=True)
async def ping_npm_of_group(request: web.Request) -> web.Response:
    """Answer npm's question whether the registry of a group is there."""
    async with group_visit(request):
        return reply({})


@routes.get(INSTANCE + _PING, answers=_EMPTY, refuses_unknown=True, repeats_refusals=True)
async def ping_npm(request: web.Request) -> web.Response:
    """Answer npm's question whether the registry is there."""
    async with caller_visit(request):
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


@routes.post(
    PROJECT + _BULK,
    answers=_ADVISORIES,
    refusals=(*PROJECT_REFUSALS, MovedProjectWriteError),
    refuses_unknown=True,
    repeats_refusals=True,
)
@routes.post(
    PROJECT + _QUICK,
    answers=_ADVISORIES,
    refusals=(*PROJECT_REFUSALS, MovedProjectWriteError),
    is_hidden=True,
    refuses_unknown=True,
    repeats_refusals=True,
)
async def audit_npm_in_project(request: web.Request) -> web.Response:
    """Answer npm audit with no advisories: none are known here."""
    async with project_visit(request):
        return reply([])


@routes.post(GROUP + _BULK, answers=_ADVISORIES, refusals=GROUP_REFUSALS, refuses_unknown=True, repeats_refusals=True)
@routes.post(
    GROUP + _QUICK,
    answers=_ADVISORIES,
    refusals=GROUP_REFUSALS,
    is_hidden=True,
    refuses_unknown=True,
    repeats_refusals=True,
)
async def audit_npm_in_group(request: web.Request) -> web.Response:
    """Answer npm audit at the address of a group with no advisories."""
    async with group_visit(request):
        return reply([])


@routes.post(INSTANCE + _BULK, answers=_ADVISORIES, refuses_unknown=True, repeats_refusals=True)
@routes.post(INSTANCE + _QUICK, answers=_ADVISORIES, is_hidden=True, refuses_unknown=True, repeats_refusals=True)
async def audit_npm(request: web.Request) -> web.Response:
    """Answer npm audit at the address of the instance with no advisories."""
    async with caller_visit(request):
        return reply([])
