"""Reading HTTP with two bounds more than the library has: of a whole head, and of requests that wait for their turn."""

from typing import Any, Final, TypeAlias

from aiohttp import web
from aiohttp.http import HttpRequestParser, RawRequestMessage
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from typing_extensions import override

LONGEST_HEAD: Final = 64 * 1024
"""Bytes of a request's first line and its header fields together; of the trailer of a body, too."""
MOST_WAITING: Final = 4
"""Requests of one connection whose heads are kept while another one is answered."""
_PIECE: Final = 16 * 1024

_Request: TypeAlias = tuple[RawRequestMessage, StreamReader]


class HeadTooLongError(BadHttpMessage):
    """The fields of a request go on beyond what all of them may have."""


class Parser(HttpRequestParser):
    """The library's parser; by itself it bounds each field and their number, so that 2 MiB may wait for their end."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Begin with a head."""
        super().__init__(*args, **options)
        self._body: StreamReader = EMPTY_PAYLOAD
        self._unfinished = 0

    @override
    def feed_data(self, data: bytes, *_constants: object, **_named: object) -> tuple[list[_Request], bool, bytes]:
        """Return the requests whose heads are complete, whether the protocol changes, and what is left then.

        Raises:
            HttpProcessingError: this is no HTTP, or more than its bounds allow.
        """
        found: list[_Request] = []
        while True:
            # A head comes in pieces, so that its size is known closely; a body's bytes go through as they are.
            length = min(_PIECE, LONGEST_HEAD + 1 - self._unfinished) if self._body.is_eof() else len(data)
            piece, data = data[:length], data[length:]
            requests, is_upgraded, tail = self._feed(piece)
            found += requests
            if is_upgraded or not data:
                return found, is_upgraded, tail + data

    def _feed(self, piece: bytes) -> tuple[list[_Request], bool, bytes]:
        body, before = self._body, self._body.total_bytes
        try:
            fed = super().feed_data(piece)
        except HttpProcessingError as error:
            raise self._broken(error) from None
        if fed[0]:
            self._body = fed[0][-1][1]
        # Whatever is neither a request nor a part of a body by now is kept by the library until it is complete.
        is_progress = bool(fed[0]) or body.total_bytes != before
        self._unfinished = 0 if is_progress else self._unfinished + len(piece)
        if self._unfinished > LONGEST_HEAD:
            raise self._broken(HeadTooLongError(f"more than {LONGEST_HEAD} bytes of fields"))
        return fed

    def _broken(self, error: HttpProcessingError) -> HttpProcessingError:
        # A handler that reads a body would wait for the rest, which cannot be understood any more.
        if not self._body.is_eof():
            self._body.set_exception(web.RequestPayloadError("the body is broken"))
            self._body.feed_eof()
        return error
