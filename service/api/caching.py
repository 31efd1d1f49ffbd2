"""Entity tags: a client that has an answer already is told so in place of getting it again."""

import hashlib
from typing import Final

from aiohttp import ETag, web
from aiohttp.helpers import ETAG_ANY

from service.api.operations import OPERATION, Handler

_FRESHNESS: Final = "max-age=0, private, must-revalidate"
_TAG_LENGTH: Final = 32
_OK: Final = 200


@web.middleware
async def tag_answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tag each answer that goes well, and say 304 to a client that has it; files have tags of their own."""
    response = await handler(request)
    operation = request.get(OPERATION)
    is_tagged = operation is not None and operation.is_tagged and response.status == _OK
    if is_tagged and isinstance(response, web.Response) and isinstance(response.body, bytes):
        tag = hashlib.sha256(response.body).hexdigest()[:_TAG_LENGTH]
        response.etag = ETag(tag, is_weak=True)
        response.headers["Cache-Control"] = _FRESHNESS
        if is_known(request, tag):
            del response.headers["Content-Type"]
            return web.Response(status=304, headers=response.headers)
    return response


def is_known(request: web.Request, tag: str) -> bool:
    """Tell whether the client names the tag in If-None-Match, be it weak or not (RFC 9110, section 13.1.2)."""
    try:
        known = request.if_none_match or ()
    except ValueError:
        return False
    return any(given.value in {tag, ETAG_ANY} for given in known)
