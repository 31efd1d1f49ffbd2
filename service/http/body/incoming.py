"""The bytes of an upload, as they come."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from aiohttp import web

from service.http.body.expect_continue import let_body_come
from service.http.keys import CONTEXT
from service.refusals import UnservedError

_READ_CHUNK: Final = 256 * 1024
_LEAST_PROGRESS: Final = 16 * 1024
"""Bytes that a client has to send within the time that is waited for one of its pieces."""


async def incoming_body(request: web.Request) -> AsyncGenerator[bytes]:
    """Give the body in pieces of at most 256 KiB.

    Raises:
        UnservedError: the client sends nothing, or next to nothing, for too long.
    """
    # Only now, so that a refused client has not sent the file for nothing.
    await let_body_come(request)
    patience = request.app[CONTEXT].settings.request_timeout.total_seconds()
    now = asyncio.get_running_loop().time
    chunks = request.content.iter_chunked(_READ_CHUNK)
    due, progress = now() + patience, 0
    while True:
        try:
            async with asyncio.timeout_at(due):
                chunk = await anext(chunks, b"")
        except TimeoutError:
            raise UnservedError(web.HTTPRequestTimeout.status_code) from None
        if not chunk:
            return
        progress += len(chunk)
        handed_on = now()
        yield chunk
        # The time that the store takes is not the client's.
        due += now() - handed_on
        if progress >= _LEAST_PROGRESS:
            due, progress = now() + patience, 0
