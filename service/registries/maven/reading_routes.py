"""Maven: files, their checksums and metadata, of a project, of a group, and of the project that a path names."""

import hashlib
import re
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from typing import Final, NoReturn

from aiohttp import web

from schemas.names import PackageType
from service.access import access
from service.access.callers import Caller
from service.access.rows import Project
from service.downloads import send_file
from service.http import (
    PROJECT_REFUSALS,
    Answer,
    Media,
    ProjectScope,
    Routes,
    ScopeVisit,
    caller_visit,
    group_scope,
    project_scope,
)
from service.http.admission import ask_for_credentials, require_packages
from service.http.carriers import OF_PACKAGE_MANAGERS
from service.http.operations import ADDRESS, FILE_BYTES, FILE_PART
from service.http.places import PlaceRoutes, RoutePlace, of_group, of_project
from service.infra.postgres.database import Connection
from service.refusals import BadParametersError, NotFoundError, ProjectNotFoundError
from service.registries.forwarding import FORWARDED, forward_unknown
from service.registries.maven import rows
from service.registries.maven.coordinates import ALGORITHM_RULE, FILE_NAME_RULE, METADATA_FILE, Coordinates
from service.registries.maven.metadata import metadata_of_snapshot, metadata_of_versions
from service.registries.maven.rows import MavenFile

routes = Routes("Maven", carriers=OF_PACKAGE_MANAGERS)

_FOLDERS: Final = "{path:(?s:.+)}"
_NAME_RULES: Final = {"file_name": FILE_NAME_RULE}


@asynccontextmanager
async def _named_project_scope(request: web.Request) -> AsyncGenerator[tuple[Connection, ProjectScope]]:
    """Give a connection and the project that has the path of the artifact, as `project_scope` does."""
    async with caller_visit(request) as (connection, caller):
        require_packages(request)
        coordinates = _coordinates(request, request.match_info.get("file_name", METADATA_FILE))
        project = await _named_project(connection, caller, coordinates)
        if project is None:
            ask_for_credentials(request, caller)
            raise ProjectNotFoundError
        access.require_read(caller, project)
        yield connection, ProjectScope(caller, {project.id: access.level_in(caller, project)})


async def _named_project(connection: Connection, caller: Caller, coordinates: Coordinates | None) -> Project | None:
    if coordinates is None:
        return None
    try:
        project = await access.visible_project(connection, caller, coordinates.name)
    except ProjectNotFoundError:
        return None
    return None if project.is_moved else project


_places: Final = PlaceRoutes[ScopeVisit](
    routes,
    of_project(f"/api/v4/projects/{{id}}/packages/maven/{_FOLDERS}", project_scope, read_answers=(FORWARDED,)),
    of_group(
        f"/api/v4/groups/{{id}}/-/packages/maven/{_FOLDERS}",
        group_scope,
        read_answers=(FORWARDED,),
        words="the projects of a group",
    ),
    RoutePlace(
        "instance",
        "the project whose path is the group and artifact",
        f"/api/v4/packages/maven/{_FOLDERS}",
        _named_project_scope,
        refusals=PROJECT_REFUSALS,
    ),
)


@_places.get(f"/{METADATA_FILE}", answers=Answer(200, media=Media.XML), refusals=(NotFoundError,), is_index=True)
async def show_maven_metadata_of_place(request: web.Request, visit: ScopeVisit) -> web.Response:
    """Show the versions of an artifact, the builds of a snapshot, or the plugins of a group of Maven, in a place."""
    async with visit(request) as (connection, scope):
        text = await _metadata(request, connection, scope.levels)
    return web.Response(text=text, content_type=Media.XML.value)


@_places.get(
    f"/{{file_name}}.{{algorithm:{ALGORITHM_RULE}}}",
    answers=Answer(200, media=Media.TEXT),
    refusals=(NotFoundError,),
    is_index=True,
    path_rules={**_NAME_RULES, "algorithm": ALGORITHM_RULE},
)
async def show_maven_checksum_of_place(request: web.Request, visit: ScopeVisit) -> web.Response:
    """Show a checksum of metadata, or of the newest file at that path in a place, in hexadecimal."""
    file_name, algorithm = request.match_info["file_name"], request.match_info["algorithm"]
    async with visit(request) as (connection, scope):
        if file_name == METADATA_FILE:
            text = await _metadata(request, connection, scope.levels)
            return web.Response(text=hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest())
        checksum = (await _file(request, connection, scope.levels)).checksum(algorithm)
    if checksum is None:
        raise NotFoundError
    return web.Response(text=checksum)


@_places.get(
    "/{file_name}", answers=(FILE_BYTES, FILE_PART, ADDRESS), refusals=(NotFoundError,), path_rules=_NAME_RULES
)
async def download_maven_file_of_place(request: web.Request, visit: ScopeVisit) -> web.StreamResponse:
    """Download the newest file at that path in a place."""
    async with visit(request) as (connection, scope):
        file = await _file(request, connection, scope.levels)
    checksums = ((f"X-Checksum-{algorithm.upper()}", file.checksum(algorithm)) for algorithm in ("md5", "sha1"))
    # A client that reads these need not ask for the checksums.
    return await send_file(request, file.record, headers={header: value for header, value in checksums if value})


async def _metadata(request: web.Request, connection: Connection, project_ids: Collection[int]) -> str:
    coordinates = _coordinates(request, METADATA_FILE)
    if coordinates is None:
        raise NotFoundError
    if coordinates.version is None:
        versions, plugins = await rows.read_metadata(connection, project_ids, coordinates.name)
        text = metadata_of_versions(coordinates, versions, plugins)
    else:
        text = metadata_of_snapshot(coordinates, await rows.read_snapshot(connection, project_ids, coordinates))
    return text if text is not None else await _refuse_unknown(request, connection, coordinates)


async def _file(request: web.Request, connection: Connection, project_ids: Collection[int]) -> MavenFile:
    file_name = request.match_info["file_name"]
    if not re.fullmatch(FILE_NAME_RULE, file_name):
        raise BadParametersError("file_name is invalid")
    coordinates = _coordinates(request, file_name)
    if coordinates is None:
        raise NotFoundError
    file = await rows.find_file(connection, project_ids, coordinates, file_name)
    return file if file is not None else await _refuse_unknown(request, connection, coordinates)


def _coordinates(request: web.Request, file_name: str) -> Coordinates | None:
    path = request.match_info["path"]
    return Coordinates.of_metadata(path) if file_name == METADATA_FILE else Coordinates.of_file(path)


async def _refuse_unknown(request: web.Request, connection: Connection, coordinates: Coordinates) -> NoReturn:
    # Only the project and group addresses are forwarded, as at GitLab.
    if "id" in request.match_info:
        path = f"{request.match_info['path']}/{request.path.rpartition('/')[2]}"
        await forward_unknown(request, connection, PackageType.MAVEN, names=[coordinates.name], path=path)
    raise NotFoundError
