"""NuGet: the service index, registrations, versions and search of a project or a group."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel

from service.http import (
    MOVED,
    PROJECT_REFUSALS,
    ProjectScope,
    Routes,
    ScopeVisit,
    external_url,
    group_scope,
    one,
    project_scope,
    project_visit,
    read_query,
    reply,
)
from service.http.admission import require_packages
from service.http.carriers import OF_PACKAGE_MANAGERS
from service.http.credentials import presented_tokens
from service.http.keys import READS
from service.http.operations import OPERATION
from service.http.places import PlaceRoutes, of_group, of_project
from service.http.replies import JsonText
from service.infra.postgres.database import Connection
from service.infra.postgres.expensive_reads import Cost
from service.refusals import (
    BadParametersError,
    MissingError,
    PackageNameNotFoundError,
    SearchesBusyError,
    UnauthorizedError,
)
from service.registries.nuget import documents, rows
from service.registries.nuget.documents import NuGetAddresses
from service.registries.nuget.models import (
    NuGetRegistration,
    NuGetSearch,
    NuGetSearching,
    NuGetServiceIndex,
    NuGetVersionDocument,
    NuGetVersions,
)

routes = Routes("NuGet", carriers=OF_PACKAGE_MANAGERS)

_PROJECT: Final = "/api/v4/projects/{id}/packages/nuget"
_GROUP: Final = "/api/v4/groups/{id}/-/packages/nuget"
_NO_PACKAGES: Final = MissingError("Packages")
_BUSY: Final = (BadParametersError("take is invalid"), SearchesBusyError)
_QUICKLY_WRITTEN: Final = 50
"""Versions whose document is written without a thread."""


@asynccontextmanager
async def _known_in_group(request: web.Request) -> AsyncGenerator[tuple[Connection, ProjectScope]]:
    """Give what `group_scope` gives; nobody is anonymous in a group's registry, as in GitLab's."""
    async with group_scope(request) as (connection, scope):
        if scope.caller.credential is None:
            raise UnauthorizedError
        yield connection, scope


_services: Final = PlaceRoutes[ScopeVisit](routes, of_project(_PROJECT, project_scope), of_group(_GROUP, group_scope))
_places: Final = PlaceRoutes[ScopeVisit](
    routes,
    of_project(_PROJECT, project_scope),
    of_group(_GROUP, _known_in_group, refusals=(UnauthorizedError,), words="the projects of a group"),
)


@_services.get("/index.json", answers=one(NuGetServiceIndex), is_index=True, refuses_unknown=True)
async def show_nuget_service_of_place(request: web.Request, visit: ScopeVisit) -> web.Response:
    """Show the addresses of the registry of a place; only a caller with a credential is checked."""
    await _require_known(request, visit)
    return _reply(documents.service_index(_base(request), is_project=visit is project_scope))


@_places.get(
    "/metadata/{name}/index.json",
    answers=one(NuGetRegistration),
    refusals=(_NO_PACKAGES,),
    is_index=True,
    refuses_unknown=True,
)
async def show_nuget_registration_of_place(request: web.Request, visit: ScopeVisit) -> web.Response:
    """Show the newest 300 versions of a package in a place, with their dependencies."""
    name = request.match_info["name"]
    async with visit(request) as (connection, scope):
        versions = await rows.list_versions(connection, scope.levels, name)
    if not versions:
        raise _NO_PACKAGES
    below = _below(request)
    return await _reply_written(len(versions), lambda: documents.registration(name, versions, below))


@_places.get(
    "/metadata/{name}/{version}.json",
    answers=one(NuGetVersionDocument),
    refusals=(PackageNameNotFoundError,),
    is_index=True,
    refuses_unknown=True,
)
async def show_nuget_version_of_place(request: web.Request, visit: ScopeVisit) -> web.Response:
    """Show one version of a package in a place."""
    name, version = request.match_info["name"], request.match_info["version"]
    async with visit(request) as (connection, scope):
        versions = await rows.list_versions(connection, scope.levels, name, version=version)
    if not versions:
        raise PackageNameNotFoundError
    return _reply(documents.version_document(versions[-1], _below(request)))


@routes.get(
    f"{_PROJECT}/download/{{name}}/index.json",
    answers=(one(NuGetVersions), MOVED),
    refusals=(*PROJECT_REFUSALS, _NO_PACKAGES),
    is_index=True,
    refuses_unknown=True,
)
async def list_nuget_versions(request: web.Request) -> web.Response:
    """List the normal forms of all versions of a package."""
    async with project_visit(request) as (connection, found):
        versions = await rows.list_version_names(connection, found.project.id, request.match_info["name"])
    if not versions:
        raise _NO_PACKAGES
    return _reply(NuGetVersions(versions=versions))


@_places.get(
    "/query", query=NuGetSearching, answers=one(NuGetSearch), refusals=_BUSY, is_index=True, refuses_unknown=True
)
async def search_nuget_packages_of_place(request: web.Request, visit: ScopeVisit) -> web.Response:
    """Search the packages of a place by words in their names."""
    async with visit(request) as (_, scope):
        wanted = read_query(request, NuGetSearching)
    async with request.app[READS].connection(Cost.EXPENSIVE) as connection:
        found = await rows.find_names(connection, scope.levels, wanted)
        packages = await rows.list_found(connection, scope.levels, found.names, prerelease=wanted.prerelease)
    return _reply(documents.search(found, packages, _below(request)))


async def _require_known(request: web.Request, visit: ScopeVisit) -> None:
    """Check a caller who has a credential, so that a wrong address or token shows early.

    NuGet asks for this document before it sends a credential, and with an API key it never would.
    """
    require_packages(request)
    if await presented_tokens(request):
        async with visit(request):
            pass


def _base(request: web.Request) -> str:
    """Return the address of the registry that was asked, by the id or path that was asked for."""
    prefix = _PROJECT if request[OPERATION].path.startswith(_PROJECT) else _GROUP
    return external_url(request) + prefix.replace("{id}", quote(request.match_info["id"], safe=""))


def _below(request: web.Request) -> NuGetAddresses:
    return NuGetAddresses(f"{external_url(request)}/api/v4", _base(request))


async def _reply_written(versions: int, write: Callable[[], BaseModel]) -> web.Response:
    if versions <= _QUICKLY_WRITTEN:
        return _reply(write())
    return await asyncio.to_thread(lambda: _reply(write()))


def _reply(body: BaseModel) -> web.Response:
    return reply(JsonText(body.model_dump_json(by_alias=True, exclude_none=True)))
