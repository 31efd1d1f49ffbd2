"""The OpenAPI document, with a page to browse it whose scripts come from nowhere else; the document of the events."""

import asyncio
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Final

from aiohttp import web
from pydantic_core import to_json

from schemas.messages.document import event_document
from service.api.openapi.document import openapi_document
from service.http import NO_CREDENTIALS, Answer, Media, Routes, one
from service.http.addresses import path_prefix
from service.http.keys import OPERATIONS
from service.http.operations import Operation
from service.refusals import PageNotFoundError

routes = Routes("Documentation", carriers=NO_CREDENTIALS)

_PACKAGE: Final = "drf_spectacular_sidecar"
_ASSETS: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}
_START: Final = Template("""\
SwaggerUIBundle({ url: "$prefix/api/openapi.json", dom_id: "#page", deepLinking: true, validatorUrl: null });
""")
_PAGE: Final = Template("""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Packyard API</title>
<link rel="icon" href="$prefix/api/docs/favicon-32x32.png">
<link rel="stylesheet" href="$prefix/api/docs/swagger-ui.css">
<div id="page"></div>
<script src="$prefix/api/docs/swagger-ui-bundle.js"></script>
<script src="$prefix/api/docs/start.js"></script>
</html>
""")
_POLICY: Final = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'self'"


@routes.get("/api/openapi.json", answers=one(dict[str, object]))
async def show_openapi_document(request: web.Request) -> web.Response:
    """Show this document."""
    # Making it takes some 0.2 s, so that happens in a thread: other requests go on.
    operations, server = request.app[OPERATIONS], path_prefix(request) or "/"
    document = await asyncio.to_thread(_document, operations, server=server)
    return web.Response(body=document, content_type=Media.JSON.value)


@routes.get("/api/asyncapi.json", answers=one(dict[str, object]))
async def show_event_document(_request: web.Request) -> web.Response:
    """Show what subscribers may hear over AMQP, as an AsyncAPI document."""
    return web.Response(body=await asyncio.to_thread(_event_document), content_type=Media.JSON.value)


@routes.get("/api/docs", answers=Answer(200, media=Media.HTML))
async def show_documentation(request: web.Request) -> web.Response:
    """Show this document as a page."""
    return _page(request)


@routes.get("/api/docs/", answers=Answer(200, media=Media.HTML), is_hidden=True)
async def show_documentation_below(request: web.Request) -> web.Response:
    """Show the same page under its address with a slash."""
    return _page(request)


@routes.get("/api/docs/{asset}", answers=Answer(200, media=Media.TEXT), refusals=(PageNotFoundError,), is_hidden=True)
async def show_asset(request: web.Request) -> web.Response:
    """Show a script or style of the page."""
    name = request.match_info["asset"]
    if name == "start.js":
        return web.Response(text=_START.substitute(prefix=path_prefix(request)), content_type="text/javascript")
    if name not in _ASSETS:
        raise PageNotFoundError
    return web.Response(body=_read(name), content_type=_ASSETS[name])


def _page(request: web.Request) -> web.Response:
    text = _PAGE.substitute(prefix=path_prefix(request))
    headers = {"Content-Security-Policy": _POLICY}
    return web.Response(text=text, content_type=Media.HTML.value, headers=headers, charset="utf-8")


@cache
def _document(operations: tuple[Operation, ...], *, server: str) -> bytes:
    documented = [operation for operation in operations if not operation.is_hidden]
    return to_json(openapi_document(documented, server=server))


@cache
def _event_document() -> bytes:
    return to_json(event_document(version("packyard")))


@cache
def _read(name: str) -> bytes:
    # Found, not imported: importing would ask for Django, whose static files these are made to be.
    package = find_spec(_PACKAGE)
    (location,) = (package and package.submodule_search_locations) or ("",)
    return (Path(location) / "static" / _PACKAGE / "swagger-ui-dist" / name).read_bytes()
