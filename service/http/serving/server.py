"""The HTTP connection: what cannot be read as HTTP is answered as everything else is, and never quoted."""

import asyncio
import socket
import struct
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import LineTooLong
from typing_extensions import override

from service.errors import StartError
from service.http.body.expect_continue import without_unknown
from service.http.operations import READING
from service.http.refusing import refuse
from service.http.replies import COMMON_HEADERS
from service.http.serving.caching import NOT_TO_BE_KEPT
from service.http.serving.framing import MOST_WAITING, HeadTooLongError, Parser
from service.http.serving.sending import closed_too_early, unacknowledged
from service.refusals import InternalError, RefusedError, UnservedError
from service.sockets import bind_sockets, reason_of, url_authority

LONGEST_REQUEST_LINE: Final = 8_192
"""Bytes of a request's first line."""
LONGEST_FIELD: Final = 16_384
"""Bytes of one header field; a parser's error names the limit, which shows which of the two was exceeded."""
_HEADERS: Final = {**COMMON_HEADERS, "Cache-Control": NOT_TO_BE_KEPT}
_POLL_S: Final = 0.05
_NO_LINGER: Final = struct.pack("ii", 1, 0)
"""The value of SO_LINGER with which the end of a connection is a reset, and what was not sent yet is dropped."""

log = structlog.get_logger()


class ClientConnection(web.RequestHandler):
    """One connection of a client."""

    __slots__ = ()

    def __init__(self, manager: web.Server, *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        """Read as the library does, within bounds of our own."""
        super().__init__(manager, loop=loop, **options)
        self._parser = Parser(
            self,
            loop,
            self._read_bufsize,
            max_line_size=self.max_line_size,
            max_field_size=self.max_field_size,
            max_headers=self.max_headers,
            payload_exception=web.RequestPayloadError,
            max_msg_queue_size=MOST_WAITING + 1,  # its count may be one ahead of the requests that wait
            auto_decompress=False,  # a body is stored as it was sent, whatever its Content-Encoding says
        )
        self._max_msg_queue_size = MOST_WAITING
        self._msg_queue_resume_size = MOST_WAITING // 2

    @property
    def is_busy(self) -> bool:
        """Whether a request has come whose answer the client's machine has not got yet."""
        return self._request_in_progress or bool(self._messages) or self._is_sending

    @property
    def _is_sending(self) -> bool:
        if self.transport is None:
            return False
        if self.transport.get_write_buffer_size():
            return True
        bound = self.transport.get_extra_info("socket")
        return bound is not None and unacknowledged(bound.fileno()) > 0

    def reset(self) -> None:
        """End the connection so that its client notices: a reset, in place of an end that a lost packet may hide."""
        if self.transport is None:
            return
        bound = self.transport.get_extra_info("socket")
        if bound is not None:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    @override
    def connection_lost(self, exc: BaseException | None) -> None:
        """Cancel what is read for a client that has gone, with its statement; a change runs to its end."""
        request, serving = self._current_request, self._task_handler
        super().connection_lost(exc)
        if request is not None and serving is not None and request.method in READING:
            serving.cancel()

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that could not be read, or whose handler broke outside all of ours, and hang up."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        refusal: RefusedError = InternalError()
        if status == refusal.status:
            log.error("request_failed", exc_info=exc)
        else:
            refusal = UnservedError(_status_of(exc))
            log.info("request_unreadable", status=refusal.status, reason=type(exc).__name__)
        answer = refuse(refusal, _HEADERS)
        answer.force_close()
        return answer


class HttpServer(web.Server):
    """Makes a `ClientConnection` of each that comes in."""

    @override
    def __call__(self) -> ClientConnection:
        """Return the protocol of a new connection."""
        return ClientConnection(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Serves an application over such connections."""

    async def finish(self, *, within: float) -> int:
        """Take no more connections, and return when every answer has arrived, or after *within* seconds.

        Connections whose requests are not answered by then are reset; the result is how many. The library's own way of
        ending drops what still comes of a body, so that uploads could not be finished.
        """
        ports = {address[1] for address in self.addresses}
        for site in list(self.sites):
            await site.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while await self._has_answers_under_way(ports):  # noqa: ASYNC110 - nobody notifies
                    await asyncio.sleep(_POLL_S)
        left = self._busy()
        for connection in left:
            connection.reset()
        return len(left)

    async def _has_answers_under_way(self, ports: Collection[int]) -> bool:
        return bool(self._busy()) or await asyncio.to_thread(closed_too_early, ports) > 0

    def _busy(self) -> Sequence[ClientConnection]:
        connections = self.server.connections if self.server else ()
        return [one for one in connections if isinstance(one, ClientConnection) and one.is_busy]

    @override
    async def _make_server(self) -> HttpServer:
        server = await super()._make_server()

        def make_request(message: RawRequestMessage, *parts: Any) -> web.BaseRequest:
            return server.request_factory(without_unknown(message), *parts)

        return HttpServer(server.request_handler, request_factory=make_request, **self._kwargs)


async def listen(runner: web.AppRunner, hosts: Sequence[str], port: int, *, setting: str) -> None:
    """Let *runner* serve on *port* of each of *hosts*; *setting* is what the port is called in an error.

    Raises:
        StartError: one of the addresses cannot be listened on.
    """
    try:
        for bound in await asyncio.to_thread(bind_sockets, hosts, port):
            await web.SockSite(runner, bound).start()
    except OSError as error:
        place = error.filename or url_authority(hosts[0], port)
        raise StartError(f"PACKYARD_HOST, {setting}: cannot listen on {place}: {reason_of(error)}") from error


def _status_of(error: BaseException | None) -> int:
    if isinstance(error, HeadTooLongError):
        return web.HTTPRequestHeaderFieldsTooLarge.status_code
    if not isinstance(error, LineTooLong):
        return web.HTTPBadRequest.status_code
    is_field = error.args[1] == LONGEST_FIELD
    return (web.HTTPRequestHeaderFieldsTooLarge if is_field else web.HTTPRequestURITooLong).status_code
