"""Sending the bytes of a file."""

import asyncio
from collections.abc import AsyncIterable

import structlog
from aiohttp import ETag, web
from aiohttp.helpers import content_disposition_header

from service import packages
from service.api.caching import is_known
from service.api.keys import CONTEXT, REQUEST_ID
from service.errors import NotFoundError, ObjectMissingError, PackyardError
from service.infra.database import Record

log = structlog.get_logger()


async def send_file(request: web.Request, file: Record) -> web.StreamResponse:
    """Answer with the bytes of a package file, or with 304 when the client has them.

    Raises:
        NotFoundError: the object went away before its first byte was sent.
    """
    sha256 = file["sha256"].hex()
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/octet-stream",
            "Content-Disposition": content_disposition_header("attachment", filename=_base_name(file["file_name"])),
            "X-Checksum-SHA256": sha256,
        }
    )
    response.etag = ETag(sha256)
    if is_known(request, sha256):
        return web.Response(status=304, headers={"ETag": response.headers["ETag"]})
    response.content_length = file["size"]
    if request.method == "HEAD":
        return response
    try:
        async with request.app[CONTEXT].store.get(file["storage_key"]) as chunks:
            await packages.note_download(request.app[CONTEXT].database, file)
            await _send(request, response, chunks)
    except ObjectMissingError as error:
        # It was being deleted while we looked.
        raise NotFoundError from error
    return response


async def _send(request: web.Request, response: web.StreamResponse, chunks: AsyncIterable[bytes]) -> None:
    await response.prepare(request)
    left = response.content_length or 0
    patience = request.app[CONTEXT].settings.request_timeout.total_seconds()
    reason = "the object is not as long as it was"
    try:
        async for chunk in chunks:
            left -= len(chunk)
            async with asyncio.timeout(patience):
                await response.write(chunk)
    except PackyardError as error:
        left, reason = left or 1, str(error)
    except TimeoutError:
        left, reason = left or 1, "the client does not read"
    if left:
        # The status is out already: only a connection that breaks off tells the client that the bytes are not all.
        log.error("download_broken", request_id=request[REQUEST_ID], reason=reason)
        if request.transport:
            request.transport.abort()


def _base_name(file_name: str) -> str:
    # Sub-directories are a part of a file's name, percent-encoded.
    return file_name.rpartition("%2F")[2]
