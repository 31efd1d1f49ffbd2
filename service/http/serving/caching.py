"""Caches: who may keep an answer, and entity tags, so that a client need not get again what it has."""

import hashlib
from collections.abc import Sequence
from typing import Final

from aiohttp import hdrs, web
from aiohttp.helpers import ETAG_ANY

from service.http.operations import OPERATION, Handler

NOT_TO_BE_KEPT: Final = "no-store"
"""The rule for every answer but what a caller was given to read."""
_FOR_ITS_CALLER: Final = "max-age=0, private, must-revalidate"
"""A shared cache would give it to others. A client's own cache has to ask each time whether it still holds.

The order of the words is GitLab's.
"""
_FILE_FOR_ITS_CALLER: Final = "private, max-age=0, must-revalidate"
_INDEX_FOR_ITS_CALLER: Final = "private, no-cache"
"""A deletion shows at the next request. uv would not ask at all within a max-age."""
_TAG_LENGTH: Final = 32
_MOST_TAGS: Final = 32
"""Tags that a client may name; others count as not named."""
_OK: Final = 200
_READABLE: Final = frozenset({_OK, 206, 304})


def cache_control(request: web.Request, response: web.StreamResponse) -> str:
    """Return who may keep the answer; refusals, redirections and answers to changes are kept by nobody."""
    operation = request.get(OPERATION)
    if operation is None or not operation.is_tagged or response.status not in _READABLE:
        return NOT_TO_BE_KEPT
    if operation.is_index:
        return _INDEX_FOR_ITS_CALLER
    return _FILE_FOR_ITS_CALLER if operation.gives_bytes else _FOR_ITS_CALLER


@web.middleware
async def tag_answers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tag each answer that goes well, and say 304 to a client that has it.

    Files have tags of their own (`service.downloads`), and so has an index whose tag is known before its text is made.
    """
    response = await handler(request)
    operation = request.get(OPERATION)
    if operation is None or not operation.is_tagged or response.status != _OK:
        return response
    if hdrs.ETAG not in response.headers and isinstance(response, web.Response) and isinstance(response.body, bytes):
        tag = hashlib.sha256(response.body).hexdigest()[:_TAG_LENGTH]
        # uv compares an index anew only by a strong tag; all other answers have a weak one, as GitLab's.
        response.headers[hdrs.ETAG] = f'"{tag}"' if operation.is_index else f'W/"{tag}"'
        if is_known(request, tag):
            del response.headers["Content-Type"]
            return web.Response(status=304, headers=response.headers)
    return response


def is_known(request: web.Request, tag: str) -> bool:
    """Return whether the client names the tag in If-None-Match, be it weak or not (RFC 9110, section 13.1.2)."""
    return any(known in {tag, ETAG_ANY} for known in known_tags(request))


def known_tags(request: web.Request) -> Sequence[str]:
    """Return the tags that the client names in If-None-Match, at most 32; a star is one that fits all."""
    if hdrs.IF_NONE_MATCH not in request.headers:
        return ()
    try:
        known = request.if_none_match or ()
    except ValueError:
        return ()
    return [etag.value for etag in known[:_MOST_TAGS]]
