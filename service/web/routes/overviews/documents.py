"""The documents of the API and of the events as pages, in the frame of all others."""

import asyncio
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final

from aiohttp import web

from service.refusals import PageNotFoundError
from service.web.events.document import event_channels
from service.web.frame.rendering import render
from service.web.frame.routing import PageRoutes
from service.web.visits import visit

routes = PageRoutes()

_PACKAGE: Final = "drf_spectacular_sidecar"
_TYPES: Final = MappingProxyType({"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"})
_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'self'"
)
"""Swagger UI writes styles into the page, so the strict policy would break it."""


@routes.page("/-/event_document")
async def show_event_document(request: web.Request) -> web.Response:
    """Show the document of the events."""
    async with visit(request):
        pass
    # Making it takes a moment the first time, so that happens in a thread.
    introduction, channels = await asyncio.to_thread(event_channels)
    return render(request, "event_document.html", introduction=introduction, channels=channels)


@routes.resource("/api/docs")
@routes.resource("/api/docs/")
async def show_api_document(request: web.Request) -> web.Response:
    """Show the document of the API by Swagger UI; the page knows no user, since it is outside the strict policy."""
    answer = render(request, "api_docs.html")
    answer.headers["Content-Security-Policy"] = _POLICY
    return answer


@routes.resource("/api/docs/{asset}")
async def show_swagger_asset(request: web.Request) -> web.Response:
    """Answer with the script or style sheet of Swagger UI."""
    name = request.match_info["asset"]
    if name not in _TYPES:
        raise PageNotFoundError
    return web.Response(body=_read(name), content_type=_TYPES[name], charset="utf-8")


@cache
def _read(name: str) -> bytes:
    # Found, not imported: importing would ask for Django, whose static files these are made to be.
    package = find_spec(_PACKAGE)
    (location,) = (package and package.submodule_search_locations) or ("",)
    return (Path(location) / "static" / _PACKAGE / "swagger-ui-dist" / name).read_bytes()
