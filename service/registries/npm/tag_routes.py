"""npm dist-tag: the tags of a package's versions, at the addresses of a project, a group and the instance."""

import json
from typing import Final

from aiohttp import web

from schemas.names import AccessLevel
from service.access import access
from service.http.body.incoming import incoming_body
from service.http.carriers import OF_PACKAGE_MANAGERS
from service.http.keys import CONTEXT
from service.http.operations import Answer, Media, Routes
from service.http.places import PlaceRoutes
from service.http.replies import no_content, reply
from service.infra.postgres.database import Connection
from service.refusals import (
    BadParametersError,
    PackageNameNotFoundError,
    UnauthorizedError,
    UnservedError,
    ValidationFailedError,
)
from service.registries.npm import changing
from service.registries.npm.packument import Versions
from service.registries.npm.refusals import NO_PACKAGES, NO_TAG
from service.registries.npm.visits import NAME, NPM_PLACES, NpmVisit, Visiting, require_in_project

routes = Routes("npm", carriers=OF_PACKAGE_MANAGERS)
_places: Final = PlaceRoutes[Visiting](routes, *NPM_PLACES)

_TAGS: Final = f"/-/package/{NAME}/dist-tags"
_TAG: Final = _TAGS + "/{tag}"
_LARGEST: Final = 1024
"""Bytes of a body that names a version."""
_BAD_VERSION: Final = BadParametersError("body should be a version as a JSON string")
_SHOWN: Final = Answer(200, dict[str, str])
_DONE: Final = Answer(204, media=Media.EMPTY)
_SETTING: Final = (
    UnauthorizedError,
    NO_PACKAGES,
    PackageNameNotFoundError,
    ValidationFailedError("Tag should be a name, and no version or range of versions"),
    _BAD_VERSION,
)
_REMOVING: Final = (UnauthorizedError, NO_PACKAGES, NO_TAG)


@_places.get(_TAGS, answers=_SHOWN, refusals=(NO_PACKAGES,), is_index=True, refuses_unknown=True, repeats_refusals=True)
async def list_npm_tags_of_place(request: web.Request, visiting: Visiting) -> web.Response:
    """List the tags of a package in a place, each with its version; the tag that was set last counts."""
    async with visiting(request) as (connection, visit):
        versions = await visit.versions(request, connection, request.match_info["name"])
    return reply(dict(versions.tags))


@_places.put(
    _TAG,
    answers=_DONE,
    refusals=_SETTING,
    takes_bytes=True,
    upload_media=Media.JSON,
    refuses_unknown=True,
    repeats_refusals=True,
)
async def set_npm_tag_in_place(request: web.Request, visiting: Visiting) -> web.Response:
    """Give a tag to the version in the body, a JSON string, of a package in a place; another version loses it."""
    name, tag = request.match_info["name"], request.match_info["tag"]
    async with visiting(request) as (connection, visit):
        versions = await _writable(request, connection, visit)
    # A client that is slow to send its body keeps no connection.
    version = await _read_version(request)
    project_id = next((row.project_id for row in versions.rows if row.version == version), None)
    if project_id is None:
        raise PackageNameNotFoundError
    database = request.app[CONTEXT].database
    async with database.connection() as connection:
        await require_in_project(connection, visit.caller, project_id, AccessLevel.DEVELOPER)
    await changing.set_tag(database, project_id=project_id, name=name, tag=tag, version=version)
    return no_content()


@_places.delete(_TAG, answers=_DONE, refusals=_REMOVING, refuses_unknown=True, repeats_refusals=True)
async def remove_npm_tag_in_place(request: web.Request, visiting: Visiting) -> web.Response:
    """Remove a tag of a package in a place; `latest` is computed from then on."""
    name, tag = request.match_info["name"], request.match_info["tag"]
    async with visiting(request) as (connection, visit):
        versions = await _writable(request, connection, visit)
        if tag not in versions.tagged:
            raise NO_TAG
        project_id = versions.tagged[tag].project_id
        await require_in_project(connection, visit.caller, project_id, access.LEVEL_TO_DELETE)
    await changing.remove_tag(request.app[CONTEXT].database, project_id=project_id, name=name, tag=tag)
    return no_content()


async def _writable(request: web.Request, connection: Connection, visit: NpmVisit) -> Versions:
    if visit.caller.credential is None:
        raise UnauthorizedError
    return await visit.versions(request, connection, request.match_info["name"])


async def _read_version(request: web.Request) -> str:
    written = bytearray()
    async for piece in incoming_body(request):
        written += piece
        if len(written) > _LARGEST:
            raise UnservedError(web.HTTPRequestEntityTooLarge.status_code)
    try:
        version = json.loads(written)
    except ValueError:
        raise _BAD_VERSION from None
    if not isinstance(version, str):
        raise _BAD_VERSION
    return version
