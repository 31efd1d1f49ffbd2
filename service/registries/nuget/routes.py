"""NuGet: push and delete packages in a project, push symbols, and download both."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from schemas.http.resources import Message
from schemas.names import PackageType
from service.access import access
from service.catalogue.guard.admission import UPLOAD_REFUSALS
from service.deletions import accept
from service.downloads import send_file
from service.http import CONTEXT, MOVED, PROJECT_REFUSALS, Answer, Routes, project_visit, reply
from service.http.body.upload_forms import UploadForm
from service.http.carriers import OF_NUGET_WRITES, OF_PACKAGE_MANAGERS
from service.http.operations import ADDRESS, DELETION_ACCEPTED, FILE_BYTES, FILE_PART, Handler
from service.http.replies import no_content
from service.origins import headers_to, origin_of_visit
from service.refusals import (
    BadParametersError,
    BadRequestError,
    ConflictError,
    DeletionHeldError,
    DeletionProtectedError,
    MovedProjectWriteError,
    PackageNameNotFoundError,
    UnauthorizedError,
    ValidationFailedError,
)
from service.registries.nuget import publishing, rows
from service.registries.nuget.publishing import FileKind
from service.registries.nuget.versions import NuGetVersion
from service.registries.publishers import publisher_of

routes = Routes("NuGet", carriers=OF_PACKAGE_MANAGERS)

_REGISTRY: Final = "/api/v4/projects/{id}/packages/nuget"
_PUSHING: Final = (
    *PROJECT_REFUSALS,
    *UPLOAD_REFUSALS,
    UnauthorizedError,
    MovedProjectWriteError,
    BadParametersError("package is missing"),
    ValidationFailedError("Version is invalid"),
    BadRequestError("File is too large"),
    ConflictError("A package with the same name and version already exists"),
)


def _takes_push(path: str, *, is_hidden: bool = False) -> Callable[[Handler], Handler]:
    return routes.put(
        path,
        answers=Answer(201, Message),
        refusals=_PUSHING,
        carriers=OF_NUGET_WRITES,
        takes_bytes=True,
        form_file="package",
        refuses_unknown=True,
        is_hidden=is_hidden,
    )


@_takes_push(_REGISTRY)
@_takes_push(f"{_REGISTRY}/", is_hidden=True)
async def push_nuget_package(request: web.Request) -> web.Response:
    """Push a package: a multipart form whose file is the packed package."""
    return await _push(request, FileKind.PACKAGE)


@_takes_push(f"{_REGISTRY}/symbolpackage")
@_takes_push(f"{_REGISTRY}/symbolpackage/", is_hidden=True)
async def push_nuget_symbols(request: web.Request) -> web.Response:
    """Push the symbols of a package: a multipart form whose file is the packed symbols."""
    return await _push(request, FileKind.SYMBOLS)


@routes.get(
    f"{_REGISTRY}/download/{{name}}/{{version}}/{{file_name}}",
    answers=(FILE_BYTES, FILE_PART, ADDRESS, MOVED),
    refusals=(*PROJECT_REFUSALS, PackageNameNotFoundError),
    refuses_unknown=True,
)
async def download_nuget_file(request: web.Request) -> web.StreamResponse:
    """Download the newest package file of a version (`.nupkg`), or its symbols (`.snupkg`)."""
    name, version, file_name = (request.match_info[part] for part in ("name", "version", "file_name"))
    async with project_visit(request) as (connection, found):
        kind = _kind_of(file_name, name, version)
        if kind is None:
            raise PackageNameNotFoundError
        file = await rows.find_file(connection, project_id=found.project.id, name=name, version=version, suffix=kind)
    if file is None:
        raise PackageNameNotFoundError
    return await send_file(request, file)


@routes.delete(
    f"{_REGISTRY}/{{name}}/{{version}}",
    answers=DELETION_ACCEPTED,
    refusals=(
        *PROJECT_REFUSALS,
        UnauthorizedError,
        MovedProjectWriteError,
        DeletionProtectedError,
        DeletionHeldError("by mary: audit"),
        PackageNameNotFoundError,
    ),
    carriers=OF_NUGET_WRITES,
    refuses_unknown=True,
)
async def delete_nuget_package(request: web.Request) -> web.Response:
    """Accept the deletion of a version, with its symbols; the work happens later, elsewhere."""
    async with project_visit(request, credential_required=True) as (connection, found):
        await access.require_level(connection, found.caller, found.project, access.LEVEL_TO_DELETE)
        project_id, match = found.project.id, request.match_info
        package_id = await rows.find_package(
            connection, project_id=project_id, name=match["name"], version=match["version"]
        )
    if package_id is None:
        raise PackageNameNotFoundError
    deletion = await accept.delete_package(
        request.app[CONTEXT].deletions,
        origin_of_visit(request, found, reason=None),
        project_id=project_id,
        package_id=package_id,
        unmodified_since=None,
    )
    return no_content(headers_to(request, deletion))


async def _push(request: web.Request, kind: FileKind) -> web.Response:
    publisher = await publisher_of(request, PackageType.NUGET)
    form = UploadForm(request, file_field="package", takes_any_name=True)
    await publishing.push(publisher, form, kind=kind, max_size=request.app[CONTEXT].settings.nuget_max_file_size)
    return reply(Message(message="201 Created"), status=201)


def _kind_of(file_name: str, name: str, version: str) -> FileKind | None:
    """Return the kind of file that has such a name in that version, under any of its spellings."""
    lowered = file_name.lower()
    kind = next((kind for kind in FileKind if lowered.endswith(kind)), None)
    if kind is None or not lowered.startswith(f"{name.lower()}."):
        return None
    named = lowered[len(name) + 1 : -len(kind)]
    is_same = named == version.lower() or _normal(named) == _normal(version)
    return kind if is_same else None


def _normal(version: str) -> str:
    parsed = NuGetVersion.parse(version)
    return version if parsed is None else parsed.normal
