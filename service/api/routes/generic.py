"""Generic packages: upload and download by name, version and file name."""

from typing import Final

from aiohttp import web

from schemas import generic_names
from schemas.http.package_parameters import Upload
from schemas.http.resources import Message, UploadedFile
from schemas.names import PackageType
from service.api.entities.packages import uploaded_entity
from service.catalogue import packages, uploads
from service.catalogue.guard.admission import UPLOAD_REFUSALS, require_may_publish
from service.catalogue.uploads import GenericFile
from service.downloads import send_file
from service.http import (
    CONTEXT,
    MOVED,
    PROJECT_REFUSALS,
    Answer,
    Routes,
    external_url,
    one,
    project_visit,
    read_path,
    read_query,
    reply,
)
from service.http.body.checksums import read_checksums
from service.http.body.incoming import incoming_body
from service.http.carriers import OF_PACKAGE_MANAGERS
from service.http.operations import ADDRESS, FILE_BYTES, FILE_PART
from service.refusals import (
    BadRequestError,
    ConflictError,
    MovedProjectWriteError,
    NotFoundError,
    PreconditionFailedError,
)

routes = Routes("Generic packages", carriers=OF_PACKAGE_MANAGERS)

PATH_RULES: Final = {
    "package_name": generic_names.PACKAGE_NAME.pattern,
    "package_version": generic_names.VERSION.pattern,
    "file_name": generic_names.FILE_NAME.pattern,
    "path": generic_names.FOLDERS.pattern,
}
"""The pattern that each part of a path has to match as a whole."""

_FILE: Final = "/api/v4/projects/{id}/packages/generic/{package_name}/{package_version}/{file_name}"
_FILE_BELOW: Final = (
    "/api/v4/projects/{id}/packages/generic/{package_name}/{package_version}/{path:(?s:.+)}/{file_name}"
)
_UPLOADED: Final = (Answer(201, Message), one(UploadedFile))
_UPLOADING: Final = (
    *PROJECT_REFUSALS,
    *UPLOAD_REFUSALS,
    MovedProjectWriteError,
    BadRequestError("File is too large"),
    BadRequestError("Duplicate package is not allowed"),
    BadRequestError("Checksum does not match (sha256)"),
    PreconditionFailedError,
    ConflictError("Resource lock"),
)
_DOWNLOADED: Final = (FILE_BYTES, FILE_PART, ADDRESS, MOVED)
_ANY: Final = "*"


@routes.put(_FILE_BELOW, query=Upload, answers=_UPLOADED, refusals=_UPLOADING, takes_bytes=True, path_rules=PATH_RULES)
async def upload_generic_file_below(request: web.Request) -> web.Response:
    """Store the body as a new file of the package, in a sub-directory."""
    return await _upload(request)


@routes.put(_FILE, query=Upload, answers=_UPLOADED, refusals=_UPLOADING, takes_bytes=True, path_rules=PATH_RULES)
async def upload_generic_file(request: web.Request) -> web.Response:
    """Store the body as a new file of the package; the stored bytes are the sent bytes."""
    return await _upload(request)


@routes.get(_FILE_BELOW, answers=_DOWNLOADED, refusals=(*PROJECT_REFUSALS, NotFoundError), path_rules=PATH_RULES)
async def download_generic_file_below(request: web.Request) -> web.StreamResponse:
    """Download the newest file of that name in a sub-directory."""
    return await _download(request)


@routes.get(_FILE, answers=_DOWNLOADED, refusals=(*PROJECT_REFUSALS, NotFoundError), path_rules=PATH_RULES)
async def download_generic_file(request: web.Request) -> web.StreamResponse:
    """Download the newest file of that name."""
    return await _download(request)


async def _upload(request: web.Request) -> web.Response:
    async with project_visit(request, credential_required=True) as (connection, found):
        query = read_query(request, Upload, besides=() if _has_body(request) else ["file is missing"])
        target = _target(request)
        await require_may_publish(
            connection,
            found.caller,
            found.project,
            PackageType.GENERIC,
            name=target.package_name,
            size=request.content_length,
        )
    checksums = read_checksums(request)
    context = request.app[CONTEXT]
    file = await uploads.publish_generic(
        context.database,
        context.store,
        caller=found.caller,
        project=found.project,
        target=target,
        status=query.status,
        body=uploads.UploadBody(
            incoming_body(request),
            announced=request.content_length,
            checksums=checksums,
            max_size=context.settings.generic_max_file_size,
        ),
        is_new=request.headers.get("If-None-Match", "").strip() == _ANY,
    )
    if query.select is None:
        return reply(Message(message="201 Created"), status=201)
    return reply(uploaded_entity(file, url=external_url(request) + request.rel_url.raw_path))


async def _download(request: web.Request) -> web.StreamResponse:
    async with project_visit(request) as (connection, found):
        read_path(request)
        target = _target(request)
        file = await packages.find_generic_file(
            connection,
            found.project,
            name=target.package_name,
            version=target.package_version,
            file_name=target.file_name,
        )
    return await send_file(request, file)


def _has_body(request: web.Request) -> bool:
    return request.content_length is not None or "Transfer-Encoding" in request.headers


def _target(request: web.Request) -> GenericFile:
    parts = request.match_info
    name = generic_names.stored_name(parts.get("path", ""), parts["file_name"])
    return GenericFile(parts["package_name"], parts["package_version"], name)
