"""Visits of npm's addresses: of a project, a group, or the whole instance, where the scope names the group."""

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias
from urllib.parse import quote

from aiohttp import web

from schemas.names import AccessLevel, PackageType
from service.access import access
from service.access.callers import Caller
from service.access.rows import Group, Project
from service.http.addresses import external_url
from service.http.admission import ask_for_credentials as ask_caller
from service.http.admission import require_packages
from service.http.places import RoutePlace, of_group, of_project
from service.http.visits import GROUP_REFUSALS, PROJECT_REFUSALS, Visit, caller_visit, group_visit, project_visit
from service.infra.postgres.database import Connection
from service.refusals import BadParametersError, GroupNotFoundError, MovedProjectWriteError, UnauthorizedError
from service.registries.asking import ask_for_credentials
from service.registries.forwarding import forward_unknown
from service.registries.npm import rows
from service.registries.npm.names import is_name, scope_of
from service.registries.npm.packument import Versions, versions_of
from service.registries.npm.packument_text import PROJECT_ID
from service.registries.npm.refusals import NO_PACKAGES

PROJECT: Final = "/api/v4/projects/{id}/packages/npm"
GROUP: Final = "/api/v4/groups/{id}/-/packages/npm"
INSTANCE: Final = "/api/v4/packages/npm"
NAME: Final = "{name:(?:@[^/]+/)?[^/]+}"
"""A name whose slash may come percent-encoded, as clients send it, or not."""
FILE: Final = "{file_name:(?:@[^/]+/)?[^/]+}"
REVISION: Final = "/-rev/{revision}"
CHANGING: Final = (
    *PROJECT_REFUSALS,
    UnauthorizedError,
    MovedProjectWriteError,
    BadParametersError("name is not the name in the address"),
)
"""Why a package may not be changed."""
_NUMBER: Final = re.compile(r"-?[0-9]+")


@dataclass(frozen=True, slots=True)
class NpmVisit:
    """A caller, and the projects whose packages it may read at that address."""

    caller: Caller
    project_ids: tuple[int, ...]
    base: str
    """The address of a project's npm packages, with `{project_id}` in the place of its number."""
    group: Group | None = None

    async def versions(self, request: web.Request, connection: Connection, name: str) -> Versions:
        """Return the versions of that name.

        Raises:
            MissingError: there are none.
            UnauthorizedError: there are none that everybody can read.
            web.HTTPFound: the name is unknown, and a public registry is asked for such names.
        """
        found = await rows.list_versions(connection, self.project_ids, name) if is_name(name) else ()
        versions = versions_of(found)
        return versions if versions is not None else await self.refuse_unknown(request, connection, name)

    async def refuse_unknown(self, request: web.Request, connection: Connection, name: str) -> NoReturn:
        """Refuse to read a name that has no versions here.

        Raises:
            MissingError, UnauthorizedError, web.HTTPFound: as for `versions`.
        """
        if self.group is not None:
            await ask_for_credentials(connection, self.caller, self.group, is_found=False)
        if is_name(name):
            await forward_unknown(request, connection, PackageType.NPM, names=[name], path=name)
        raise NO_PACKAGES


def npm_name(request: web.Request) -> str:
    """Return the name of the package in the address.

    Raises:
        MissingError: no package can have it.
    """
    name = request.match_info["name"]
    if not is_name(name):
        raise NO_PACKAGES
    return name


Visiting: TypeAlias = Callable[[web.Request], AbstractAsyncContextManager[tuple[Connection, NpmVisit]]]
"""One of the three ways to visit: a handler that takes one serves all."""


@asynccontextmanager
async def _npm_project(request: web.Request) -> AsyncGenerator[tuple[Connection, NpmVisit]]:
    """Visit a project, whose own addresses are written as the client wrote them: it sends its token only there."""
    async with project_visit(request) as (connection, found):
        base = _base(request, quote(request.match_info["id"], safe=""))
        yield connection, NpmVisit(found.caller, (found.project.id,), base)


@asynccontextmanager
async def _npm_group(request: web.Request) -> AsyncGenerator[tuple[Connection, NpmVisit]]:
    """Visit the projects of a group."""
    async with group_visit(request) as (connection, caller, group):
        yield connection, await _visit_below(request, connection, caller, group)


@asynccontextmanager
async def _npm_instance(request: web.Request) -> AsyncGenerator[tuple[Connection, NpmVisit]]:
    """Visit the projects of the root group that the scope of the package names.

    Raises:
        MissingError: the name has no scope, or that of no group that the caller sees.
    """
    async with caller_visit(request) as (connection, caller):
        require_packages(request)
        scope = scope_of(request.match_info["name"])
        if not scope or _NUMBER.fullmatch(scope):
            raise NO_PACKAGES
        try:
            group = await access.visible_group(connection, caller, scope)
        except GroupNotFoundError:
            ask_caller(request, caller)
            raise NO_PACKAGES from None
        access.require_group_read(caller, group)
        yield connection, await _visit_below(request, connection, caller, group)


NPM_PLACES: Final[tuple[RoutePlace[Visiting], ...]] = (
    of_project(PROJECT, _npm_project),
    of_group(GROUP, _npm_group, words="the projects of a group"),
    RoutePlace("", "the root group that the scope names", INSTANCE, _npm_instance, refusals=GROUP_REFUSALS),
)


async def require_in_project(connection: Connection, caller: Caller, project_id: int, level: AccessLevel) -> Project:
    """Return the project of a version, in which the caller has at least that level.

    Raises:
        UnauthorizedError, ForbiddenError, JobTokenRefusedError: it has not.
    """
    if caller.credential is None:
        raise UnauthorizedError
    project = await access.visible_project(connection, caller, str(project_id))
    await access.require_level(connection, caller, project, level)
    return project


async def _visit_below(request: web.Request, connection: Connection, caller: Caller, group: Group) -> NpmVisit:
    levels = await access.project_levels(connection, caller, group)
    return NpmVisit(caller, tuple(levels), _base(request, PROJECT_ID), group)


def _base(request: web.Request, reference: str) -> str:
    return f"{external_url(request)}/api/v4/projects/{reference}/packages/npm"


async def visit_to_write(request: web.Request, level: AccessLevel) -> Visit:
    """Visit a project in which the caller has at least that level.

    Raises:
        RefusedError: as for `project_visit`; or it is nobody, or has not that level.
    """
    async with project_visit(request, credential_required=True) as (connection, found):
        await access.require_level(connection, found.caller, found.project, level)
    return found
