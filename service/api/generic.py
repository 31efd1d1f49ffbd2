"""Generic packages: upload and download by name, version and file name."""

import asyncio
import re
from collections.abc import AsyncIterable, AsyncIterator
from typing import Final

import structlog
from aiohttp import web
from aiohttp.helpers import content_disposition_header

from schemas.names import AccessLevel
from schemas.queries import Upload
from service import packages, uploads
from service.api.callers import project_visit, visit
from service.api.entities import uploaded_entity
from service.api.keys import CONTEXT, REQUEST_ID
from service.api.links import external_url
from service.api.parameters import read_query
from service.api.replies import reply
from service.errors import BadParametersError, NotFoundError, ObjectMissingError, PackyardError
from service.uploads import GenericFile

routes = web.RouteTableDef()

_FILE: Final = "/api/v4/projects/{id}/packages/generic/{package_name}/{package_version}/{file_name}"
_NAME: Final = re.compile(r"[A-Za-z0-9._+-]{1,255}")
_RULES: Final = {
    "package_name": _NAME,
    "package_version": re.compile(r"(?!.*\.\.)[A-Za-z0-9_.+-]{1,255}"),
    "file_name": re.compile(r"(?!~)[A-Za-z0-9._+~-]{1,255}(?<!~)"),
}
_READ_CHUNK: Final = 256 * 1024
_READ_TIMEOUT_S: Final = 60

log = structlog.get_logger()


@routes.put(_FILE)
async def upload_generic_file(request: web.Request) -> web.Response:
    """Store the body as a new file of the package; the stored bytes are the sent bytes."""
    found = await visit(request, level=AccessLevel.DEVELOPER, user_required=True)
    target, query = _target(request), read_query(request, Upload)
    context = request.app[CONTEXT]
    file = await uploads.publish_generic(
        context.database,
        context.store,
        caller=found.caller,
        project=found.project,
        target=target,
        status=query.status,
        chunks=_body(request),
    )
    if query.select is None:
        return reply({"message": "201 Created"}, status=201)
    return reply(uploaded_entity(file, url=external_url(request) + request.rel_url.raw_path))


@routes.get(_FILE)
async def download_generic_file(request: web.Request) -> web.StreamResponse:
    """Answer with the newest file of that name."""
    async with project_visit(request) as (connection, found):
        target = _target(request)
        file = await packages.find_generic_file(
            connection,
            found.project,
            name=target.package_name,
            version=target.package_version,
            file_name=target.file_name,
        )
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/octet-stream",
            "Content-Disposition": content_disposition_header("attachment", filename=target.file_name),
            "X-Checksum-SHA256": file["sha256"].hex(),
        }
    )
    response.content_length = file["size"]
    if request.method == "HEAD":
        return response
    try:
        async with request.app[CONTEXT].store.get(file["storage_key"]) as chunks:
            await _send(request, response, chunks)
    except ObjectMissingError as error:
        # It was being deleted while we looked.
        raise NotFoundError from error
    return response


async def _send(request: web.Request, response: web.StreamResponse, chunks: AsyncIterable[bytes]) -> None:
    await response.prepare(request)
    left = response.content_length or 0
    reason = "the object is not as long as it was"
    try:
        async for chunk in chunks:
            left -= len(chunk)
            await response.write(chunk)
    except PackyardError as error:
        left, reason = left or 1, str(error)
    if left:
        # The status is out already: only a connection that breaks off tells the client that the bytes are not all.
        log.error("download_broken", request_id=request[REQUEST_ID], reason=reason)
        if request.transport:
            request.transport.abort()


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    """Give the body as it comes; a client that sends nothing for a minute is not waited for any longer."""
    chunks = request.content.iter_chunked(_READ_CHUNK)
    while True:
        try:
            async with asyncio.timeout(_READ_TIMEOUT_S):
                chunk = await anext(chunks, b"")
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        if not chunk:
            return
        yield chunk


def _target(request: web.Request) -> GenericFile:
    values = {name: request.match_info[name] for name in _RULES}
    wrong = [
        f"{name} is invalid"
        for name, rule in _RULES.items()
        if not rule.fullmatch(values[name]) or values[name] in {".", ".."}
    ]
    if wrong:
        raise BadParametersError(*wrong)
    return GenericFile(**values)
