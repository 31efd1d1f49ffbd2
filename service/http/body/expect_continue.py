"""`Expect: 100-continue` (RFC 9110, 10.1.1): a client that asks before it sends a body hears of a refusal first."""

from typing import Final

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.http import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy

_IS_COMING: Final = web.RequestKey("body_is_coming", bool)
_EXPECTATION: Final = "100-continue"


def without_unknown(message: RawRequestMessage) -> RawRequestMessage:
    """Return the message without an expectation other than 100-continue.

    Where no route matches, the library would refuse it before all of ours, and quote it in its answer.
    """
    if message.headers.get(hdrs.EXPECT, _EXPECTATION).lower() == _EXPECTATION:
        return message
    headers = CIMultiDict(message.headers)
    del headers[hdrs.EXPECT]
    return message._replace(headers=CIMultiDictProxy(headers))


async def wait_to_be_read(_request: web.Request) -> None:
    """Send nothing yet; the code that reads the body asks for it."""


async def let_body_come(request: web.Request) -> None:
    """Answer 100 to a client that asked whether to send the body; any other expectation is ignored."""
    if _asks(request):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # The answer itself has not begun.
        request.writer.output_size = 0
    request[_IS_COMING] = True


def hang_up_unless_it_came(request: web.Request, response: web.StreamResponse) -> None:
    """End the connection of a client that was refused: what it sends next may be the body, or another request."""
    if _asks(request) and _IS_COMING not in request:
        response.force_close()


def _asks(request: web.Request) -> bool:
    return request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == _EXPECTATION
