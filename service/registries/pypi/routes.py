"""PyPI: publish, and the simple index of a project or a group with its files."""

import json
import re
from collections.abc import Collection, Sequence
from functools import partial
from html import escape
from typing import Final, NoReturn

from aiohttp import ETag, web
from packaging.utils import canonicalize_name

from schemas.http.resources import Message
from schemas.names import PackageType
from service.access import access
from service.catalogue.guard.admission import UPLOAD_REFUSALS
from service.downloads import send_file
from service.http.addresses import external_url
from service.http.body.upload_forms import UploadForm
from service.http.carriers import OF_PACKAGE_MANAGERS
from service.http.keys import CONTEXT
from service.http.operations import ADDRESS, FILE_BYTES, FILE_PART, MOVED, Answer, Media, Routes
from service.http.reading_visits import read_in_project
from service.http.replies import reply
from service.http.serving.caching import known_tags
from service.http.visits import GROUP_REFUSALS, PROJECT_REFUSALS, group_visit, project_visit
from service.infra.postgres.database import Connection, Record
from service.refusals import (
    BadParametersError,
    BadRequestError,
    ConflictError,
    MovedProjectWriteError,
    PackageNameNotFoundError,
    UnauthorizedError,
    ValidationFailedError,
)
from service.registries.asking import ask_for_credentials
from service.registries.forwarding import FORWARDED, forward_unknown
from service.registries.publishers import publisher_of
from service.registries.pypi import index, index_text, publishing, rows
from service.registries.pypi.core_metadata import METADATA_SUFFIX, send_metadata
from service.registries.pypi.details import possible_names
from service.registries.pypi.index import SimpleNames, SimplePackage
from service.registries.pypi.index_text import IndexText, WantedIndex
from service.registries.pypi.negotiation import JSON_TYPE, wants_json

routes = Routes("PyPI", carriers=OF_PACKAGE_MANAGERS)

_PROJECT: Final = "/api/v4/projects/{id}/packages/pypi"
_GROUP: Final = "/api/v4/groups/{id}/-/packages/pypi"
_SHA256: Final = "[0-9A-Fa-f]{64}"
_FILE: Final = "/files/{sha256}/{file_name}"
_FILE_RULES: Final = {"sha256": _SHA256}

_PUBLISHING: Final = (
    *PROJECT_REFUSALS,
    *UPLOAD_REFUSALS,
    UnauthorizedError,
    MovedProjectWriteError,
    BadParametersError("content is missing"),
    ValidationFailedError("File name has already been taken"),
    BadRequestError("File is too large"),
    ConflictError("Resource lock"),
)
_PACKAGE_INDEX: Final = (Answer(200, SimplePackage, Media.PYPI_JSON), Answer(200, media=Media.HTML), FORWARDED)
_NAMES_INDEX: Final = (Answer(200, SimpleNames, Media.PYPI_JSON), Answer(200, media=Media.HTML))
_DOWNLOADED: Final = (FILE_BYTES, FILE_PART, ADDRESS)
_VARY: Final = {"Vary": "Accept"}
_OF_PROJECT: Final = (*PROJECT_REFUSALS, PackageNameNotFoundError)
_OF_GROUP: Final = (*GROUP_REFUSALS, PackageNameNotFoundError)


@routes.post(_PROJECT, answers=Answer(201, Message), refusals=_PUBLISHING, takes_bytes=True, form_file="content")
@routes.post(
    f"{_PROJECT}/",
    answers=Answer(201, Message),
    refusals=_PUBLISHING,
    takes_bytes=True,
    form_file="content",
    is_hidden=True,
)
async def publish_pypi_file(request: web.Request) -> web.Response:
    """Publish a wheel or a source archive: a multipart form with the file in `content`, as twine sends it."""
    publisher = await publisher_of(request, PackageType.PYPI)
    form = UploadForm(request, file_field="content")
    await publishing.publish(publisher, form, max_size=request.app[CONTEXT].settings.pypi_max_file_size)
    return reply(Message(message="201 Created"), status=201)


@routes.get(f"{_PROJECT}/simple", answers=(*_NAMES_INDEX, MOVED), refusals=PROJECT_REFUSALS, is_index=True)
@routes.get(
    f"{_PROJECT}/simple/", answers=(*_NAMES_INDEX, MOVED), refusals=PROJECT_REFUSALS, is_index=True, is_hidden=True
)
async def list_pypi_names_of_project(request: web.Request) -> web.Response:
    """List the PyPI packages of a project."""
    async with project_visit(request) as (connection, found):
        names = await rows.list_names(connection, [found.project.id])
    base = str(found.project.id).join(_around_number(request))
    return _reply_names(request, found.project.path, names, base)


@routes.get(f"{_PROJECT}/simple/{{name}}", answers=(*_PACKAGE_INDEX, MOVED), refusals=_OF_PROJECT, is_index=True)
@routes.get(
    f"{_PROJECT}/simple/{{name}}/",
    answers=(*_PACKAGE_INDEX, MOVED),
    refusals=_OF_PROJECT,
    is_index=True,
    is_hidden=True,
)
async def show_pypi_index_of_project(request: web.Request) -> web.Response:
    """Show the files of a package in a project, under any spelling of its name."""
    wanted = _wanted_index(request)
    before, after = (_escaped(part, is_json=wanted.is_json) for part in _around_number(request))
    read = partial(index_text.read_in_project, before=before, after=after)
    _, _, found = await read_in_project(request, lambda: wanted, read)
    if not found:
        async with request.app[CONTEXT].database.connection() as connection:
            await _refuse_unknown(request, connection, wanted.name)
    return _reply_index(wanted, found[0])


@routes.get(f"{_PROJECT}{_FILE}", answers=(*_DOWNLOADED, MOVED), refusals=_OF_PROJECT, path_rules=_FILE_RULES)
async def download_pypi_file_of_project(request: web.Request) -> web.StreamResponse:
    """Download a file of a PyPI package by its SHA-256 and name, or with `.metadata` after that a wheel's metadata."""
    async with project_visit(request) as (connection, found):
        file = await _find_file(request, connection, [found.project.id])
    return await _send(request, file)


@routes.get(f"{_GROUP}/simple", answers=_NAMES_INDEX, refusals=GROUP_REFUSALS, is_index=True)
@routes.get(f"{_GROUP}/simple/", answers=_NAMES_INDEX, refusals=GROUP_REFUSALS, is_index=True, is_hidden=True)
async def list_pypi_names_of_group(request: web.Request) -> web.Response:
    """List the PyPI packages of a group's projects."""
    async with group_visit(request) as (connection, caller, group):
        levels = await access.project_levels(connection, caller, group)
        names = await rows.list_names(connection, levels)
        await ask_for_credentials(connection, caller, group, is_found=bool(names))
    return _reply_names(request, group.path, names, _base_of_group(request, group.id))


@routes.get(f"{_GROUP}/simple/{{name}}", answers=_PACKAGE_INDEX, refusals=_OF_GROUP, is_index=True)
@routes.get(f"{_GROUP}/simple/{{name}}/", answers=_PACKAGE_INDEX, refusals=_OF_GROUP, is_index=True, is_hidden=True)
async def show_pypi_index_of_group(request: web.Request) -> web.Response:
    """Show the files of a package in a group's projects, under any spelling of its name."""
    wanted = _wanted_index(request)
    async with group_visit(request) as (connection, caller, group):
        levels = await access.project_levels(connection, caller, group)
        base = _escaped(_base_of_group(request, group.id), is_json=wanted.is_json)
        found = await index_text.read_in_projects(connection, levels, wanted, base=base)
        await ask_for_credentials(connection, caller, group, is_found=bool(found))
        if not found:
            await _refuse_unknown(request, connection, wanted.name)
    return _reply_index(wanted, found[0])


@routes.get(f"{_GROUP}{_FILE}", answers=_DOWNLOADED, refusals=_OF_GROUP, path_rules=_FILE_RULES)
async def download_pypi_file_of_group(request: web.Request) -> web.StreamResponse:
    """Download a file of a PyPI package in a group, as in a project."""
    async with group_visit(request) as (connection, caller, group):
        levels = await access.project_levels(connection, caller, group)
        file = await _find_file(request, connection, levels)
    return await _send(request, file)


async def _find_file(request: web.Request, connection: Connection, project_ids: Collection[int]) -> Record:
    sha256, file_name = request.match_info["sha256"], request.match_info["file_name"].removesuffix(METADATA_SUFFIX)
    if not re.fullmatch(_SHA256, sha256):
        raise PackageNameNotFoundError
    file = await rows.find_file(
        connection,
        project_ids,
        normal_names=possible_names(file_name),
        file_name=file_name,
        sha256=bytes.fromhex(sha256),
    )
    if file is None:
        raise PackageNameNotFoundError
    return file


async def _send(request: web.Request, file: Record) -> web.StreamResponse:
    if request.match_info["file_name"].endswith(METADATA_SUFFIX):
        return await send_metadata(request, file["core_metadata"], storage_key=file["storage_key"])
    return await send_file(request, file)


async def _refuse_unknown(request: web.Request, connection: Connection, name: str) -> NoReturn:
    await forward_unknown(request, connection, PackageType.PYPI, names=[name], path=f"{name}/")
    raise PackageNameNotFoundError


def _around_number(request: web.Request) -> tuple[str, str]:
    """Return the address of a project's registry before and after the number of the project."""
    return f"{external_url(request)}/api/v4/projects/", "/packages/pypi"


def _base_of_group(request: web.Request, group_id: int) -> str:
    return f"{external_url(request)}/api/v4/groups/{group_id}/-/packages/pypi"


def _escaped(address: str, *, is_json: bool) -> str:
    return json.dumps(address, ensure_ascii=False)[1:-1] if is_json else escape(address)


def _wanted_index(request: web.Request) -> WantedIndex:
    # Our own tags are ASCII, and the database refuses some other characters.
    known = [tag for tag in known_tags(request) if tag.isascii()]
    return WantedIndex(canonicalize_name(request.match_info["name"]), _wants_json(request), known)


def _reply_index(wanted: WantedIndex, found: IndexText) -> web.Response:
    if found.links is None:
        response = web.Response(status=304, headers=_VARY)
    else:
        text = index.text_of_package(wanted.name, found, found.links, is_json=wanted.is_json)
        response = _reply(text, is_json=wanted.is_json)
    response.etag = ETag(found.tag)
    return response


def _reply_names(request: web.Request, title: str, names: Sequence[str], base: str) -> web.Response:
    is_json = _wants_json(request)
    text = index.json_of_names(names) if is_json else index.html_of_names(title, names, base)
    return _reply(text, is_json=is_json)


def _wants_json(request: web.Request) -> bool:
    return wants_json(",".join(request.headers.getall("Accept", ())))


def _reply(text: bytes, *, is_json: bool) -> web.Response:
    media = JSON_TYPE if is_json else Media.HTML.value
    return web.Response(body=text, content_type=media, charset="utf-8", headers=_VARY)
