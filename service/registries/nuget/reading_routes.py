"""NuGet: the service index, registrations, versions and search of a project or a group."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel

from service.http import (
    GROUP_REFUSALS,
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
_OF_PROJECT: Final = (*PROJECT_REFUSALS, _NO_PACKAGES)
_OF_GROUP: Final = (*GROUP_REFUSALS, UnauthorizedError, _NO_PACKAGES)
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


@routes.get(
    f"{_PROJECT}/index.json",
    answers=(one(NuGetServiceIndex), MOVED),
    refusals=PROJECT_REFUSALS,
    is_index=True,
    refuses_unknown=True,
)
async def show_nuget_service_of_project(request: web.Request) -> web.Response:
    """Show the addresses of a project's registry; without a credential, whether or not there is such a project."""
    await _require_known(request, project_scope)
    return _reply(documents.service_index(_base(request, "projects"), is_project=True))


@routes.get(
    f"{_GROUP}/index.json", answers=one(NuGetServiceIndex), refusals=GROUP_REFUSALS, is_index=True, refuses_unknown=True
)
async def show_nuget_service_of_group(request: web.Request) -> web.Response:
    """Show the addresses of a group's registry; without a credential, whether or not there is such a group."""
    await _require_known(request, group_scope)
    return _reply(documents.service_index(_base(request, "groups"), is_project=False))


@routes.get(
    f"{_PROJECT}/metadata/{{name}}/index.json",
    answers=(one(NuGetRegistration), MOVED),
    refusals=_OF_PROJECT,
    is_index=True,
    refuses_unknown=True,
)
async def show_nuget_registration_of_project(request: web.Request) -> web.Response:
    """Show the newest 300 versions of a package in a project, with their dependencies."""
    return await _registration(request, project_scope, _base(request, "projects"))


@routes.get(
    f"{_GROUP}/metadata/{{name}}/index.json",
    answers=one(NuGetRegistration),
    refusals=_OF_GROUP,
    is_index=True,
    refuses_unknown=True,
)
async def show_nuget_registration_of_group(request: web.Request) -> web.Response:
    """Show the newest 300 versions of a package in a group's projects, with their dependencies."""
    return await _registration(request, _known_in_group, _base(request, "groups"))


@routes.get(
    f"{_PROJECT}/metadata/{{name}}/{{version}}.json",
    answers=(one(NuGetVersionDocument), MOVED),
    refusals=(*PROJECT_REFUSALS, PackageNameNotFoundError),
    is_index=True,
    refuses_unknown=True,
)
async def show_nuget_version_of_project(request: web.Request) -> web.Response:
    """Show one version of a package in a project."""
    return await _version(request, project_scope, _base(request, "projects"))


@routes.get(
    f"{_GROUP}/metadata/{{name}}/{{version}}.json",
    answers=one(NuGetVersionDocument),
    refusals=(*GROUP_REFUSALS, UnauthorizedError, PackageNameNotFoundError),
    is_index=True,
    refuses_unknown=True,
)
async def show_nuget_version_of_group(request: web.Request) -> web.Response:
    """Show one version of a package in a group's projects."""
    return await _version(request, _known_in_group, _base(request, "groups"))


@routes.get(
    f"{_PROJECT}/download/{{name}}/index.json",
    answers=(one(NuGetVersions), MOVED),
    refusals=_OF_PROJECT,
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


@routes.get(
    f"{_PROJECT}/query",
    query=NuGetSearching,
    answers=(one(NuGetSearch), MOVED),
    refusals=(*PROJECT_REFUSALS, *_BUSY),
    is_index=True,
    refuses_unknown=True,
)
async def search_nuget_packages_of_project(request: web.Request) -> web.Response:
    """Search the packages of a project by words in their names."""
    return await _search(request, project_scope, _base(request, "projects"))


@routes.get(
    f"{_GROUP}/query",
    query=NuGetSearching,
    answers=one(NuGetSearch),
    refusals=(*GROUP_REFUSALS, UnauthorizedError, *_BUSY),
    is_index=True,
    refuses_unknown=True,
)
async def search_nuget_packages_of_group(request: web.Request) -> web.Response:
    """Search the packages of a group's projects by words in their names."""
    return await _search(request, _known_in_group, _base(request, "groups"))


async def _require_known(request: web.Request, visit: ScopeVisit) -> None:
    """Check a caller who has a credential, so that a wrong address or token shows early.

    NuGet asks for this document before it sends a credential, and with an API key it never would.
    """
    require_packages(request)
    if await presented_tokens(request):
        async with visit(request):
            pass


async def _registration(request: web.Request, visit: ScopeVisit, base: str) -> web.Response:
    name = request.match_info["name"]
    async with visit(request) as (connection, scope):
        versions = await rows.list_versions(connection, scope.levels, name)
    if not versions:
        raise _NO_PACKAGES
    return await _reply_written(len(versions), lambda: documents.registration(name, versions, _below(request, base)))


async def _version(request: web.Request, visit: ScopeVisit, base: str) -> web.Response:
    name, version = request.match_info["name"], request.match_info["version"]
    async with visit(request) as (connection, scope):
        versions = await rows.list_versions(connection, scope.levels, name, version=version)
    if not versions:
        raise PackageNameNotFoundError
    return _reply(documents.version_document(versions[-1], _below(request, base)))


async def _search(request: web.Request, visit: ScopeVisit, base: str) -> web.Response:
    async with visit(request) as (_, scope):
        wanted = read_query(request, NuGetSearching)
    async with request.app[READS].connection(Cost.EXPENSIVE) as connection:
        found = await rows.find_names(connection, scope.levels, wanted)
        packages = await rows.list_found(connection, scope.levels, found.names, prerelease=wanted.prerelease)
    return _reply(documents.search(found, packages, _below(request, base)))


def _base(request: web.Request, kind: str) -> str:
    """Return the address of the registry that was asked, by the id or path that was asked for."""
    asked = quote(request.match_info["id"], safe="")
    between = "packages" if kind == "projects" else "-/packages"
    return f"{external_url(request)}/api/v4/{kind}/{asked}/{between}/nuget"


def _below(request: web.Request, base: str) -> NuGetAddresses:
    return NuGetAddresses(f"{external_url(request)}/api/v4", base)


async def _reply_written(versions: int, write: Callable[[], BaseModel]) -> web.Response:
    if versions <= _QUICKLY_WRITTEN:
        return _reply(write())
    return await asyncio.to_thread(lambda: _reply(write()))


def _reply(body: BaseModel) -> web.Response:
    return reply(JsonText(body.model_dump_json(by_alias=True, exclude_none=True)))
