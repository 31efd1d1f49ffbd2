"""Sending the bytes of a file, and noting that it was downloaded."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import suppress
from datetime import timedelta
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, unquote

import structlog
from aiohttp import ETag, web

from service.catalogue.downloads import DownloadNotes
from service.errors import ObjectMissingError, PackyardError, StorageRefusedError
from service.http.keys import CONTEXT, REQUEST_ID
from service.http.serving.caching import is_known
from service.http.serving.ranges import Part, RangeUnsatisfiableError, wanted_part
from service.infra.postgres.database import Database, Record
from service.refusals import NotFoundError

DOWNLOADS: Final = web.AppKey("downloads", DownloadNotes)

_LAST_NOTES_S: Final = 5.0
_ADDRESS_VALID_FOR: Final = timedelta(minutes=5)
_FOUND: Final = 302
_PARTIAL: Final = 206
_AWKWARD: Final = re.compile(r"[^A-Za-z0-9 !#$&()+,.;=@\[\]^_`{}~-]")
"""Characters between double quotes that some clients do not take literally."""

log = structlog.get_logger()


def note_downloads(app: web.Application, database: Database) -> None:
    """Let the application note which packages are downloaded, and write the last notes when it ends."""
    app[DOWNLOADS] = DownloadNotes(database)
    app.cleanup_ctx.append(_keep_writing)


async def _keep_writing(app: web.Application) -> AsyncGenerator[None]:
    writing = asyncio.create_task(app[DOWNLOADS].keep_writing())
    yield
    writing.cancel()
    with suppress(asyncio.CancelledError):
        await writing
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_NOTES_S):
            await app[DOWNLOADS].write()


async def send_file(
    request: web.Request, file: Record, *, headers: Mapping[str, str] = MappingProxyType({})
) -> web.StreamResponse:
    """Answer with the bytes of a package file, a part of them, where they are, or with 304 when the client has them.

    *headers* go with the bytes.

    Raises:
        NotFoundError: the object went away before its first byte was sent.
        RangeUnsatisfiableError: the part that was asked for is beyond the end of the file.
    """
    sha256 = file["sha256"].hex()
    response = _response(file, sha256, headers)
    if is_known(request, sha256):
        return web.Response(status=304, headers={"ETag": response.headers["ETag"]})
    part = _part_of(request, file["size"], response, tag=sha256)
    response.content_length = part.end - part.start
    return response if request.method == "HEAD" else await _send_part(request, file, part, response)


def _part_of(request: web.Request, size: int, response: web.StreamResponse, *, tag: str) -> Part:
    """Return the part that is asked for, or the whole; the response says which.

    A range of all bytes is a part, too, but none of an empty file: clients may send one with every request.
    """
    whole = Part(0, size, size)
    part = wanted_part(request, size=size, tag=tag)
    if part is None or (part == whole and not size):
        return whole
    if not part.is_satisfiable:
        raise RangeUnsatisfiableError(part.content_range)
    response.set_status(_PARTIAL)
    response.headers["Content-Range"] = part.content_range
    return part


def _response(file: Record, sha256: str, headers: Mapping[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            **headers,
            "Accept-Ranges": "bytes",
            "Content-Type": "application/octet-stream",
            "Content-Disposition": _disposition(file["file_name"]),
            "X-Checksum-SHA256": sha256,
        }
    )
    response.etag = ETag(sha256)
    return response


async def _send_part(
    request: web.Request, file: Record, part: Part, response: web.StreamResponse
) -> web.StreamResponse:
    if address := await _address(request, file):
        await _note(request, file)
        checksum = response.headers["X-Checksum-SHA256"]
        return web.Response(status=_FOUND, headers={"Location": address, "X-Checksum-SHA256": checksum})
    try:
        async with request.app[CONTEXT].store.get(file["storage_key"], start=part.start, end=part.end) as chunks:
            await _note(request, file)
            await _send(request, response, chunks)
    except ObjectMissingError as error:
        # It was being deleted after its row was read.
        raise NotFoundError from error
    return response


async def _note(request: web.Request, file: Record) -> None:
    notes = request.app[DOWNLOADS]
    if file["last_downloaded_at"] is None:
        await notes.note_first(file["package_id"])
    else:
        notes.note(file["package_id"])


async def _address(request: web.Request, file: Record) -> str | None:
    context = request.app[CONTEXT]
    if not context.settings.download_redirect or not file["size"]:
        return None
    try:
        return await context.store.address(file["storage_key"], valid_for=_ADDRESS_VALID_FOR)
    except StorageRefusedError as error:
        # Not every credential can sign; the bytes can be had from us all the same.
        log.warning("address_not_signed", request_id=request[REQUEST_ID], reason=str(error))
        return None


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
        # The status is out already: only a connection that breaks off shows the client that bytes are missing.
        log.error("download_broken", request_id=request[REQUEST_ID], reason=reason)
        if request.transport:
            request.transport.abort()


def _disposition(file_name: str) -> str:
    """Return a Content-Disposition (RFC 6266); a name that old clients may not understand is given twice."""
    # Sub-directories are a part of a file's name, which is percent-encoded then.
    _, slash, base_name = file_name.rpartition("%2F")
    name = unquote(base_name) if slash else file_name
    plain = _AWKWARD.sub("_", name)
    exact = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'attachment; filename="{plain}"{exact}'
