"""The OpenAPI document, and the document of the events. Pages of both are in `service.web`."""

import asyncio
from functools import cache
from importlib.metadata import version

from aiohttp import web
from pydantic_core import to_json

from schemas.messages.data_schemas import data_schemas
from schemas.messages.document import event_document
from service.api.openapi.document import openapi_document
from service.http import NO_CREDENTIALS, Media, Routes, one
from service.http.addresses import path_prefix
from service.http.keys import OPERATIONS
from service.http.operations import Operation
from service.refusals import NotFoundError

routes = Routes("Documentation", carriers=NO_CREDENTIALS)


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


@routes.get("/api/event_schemas/{dataschema}", answers=one(dict[str, object]), refusals=(NotFoundError,))
async def show_event_schema(request: web.Request) -> web.Response:
    """Show the JSON schema that an event names as its `dataschema`, such as `urn:packyard:events:package.destroyed:v1`.

    It allows fields that later versions may send.
    """
    schema = _event_schemas().get(request.match_info["dataschema"])
    if schema is None:
        raise NotFoundError
    return web.Response(body=schema, content_type=Media.JSON.value)


@cache
def _event_schemas() -> dict[str, bytes]:
    return {name: to_json(schema) for name, schema in data_schemas().items()}


@cache
def _document(operations: tuple[Operation, ...], *, server: str) -> bytes:
    documented = [operation for operation in operations if not operation.is_hidden]
    return to_json(openapi_document(documented, server=server))


@cache
def _event_document() -> bytes:
    return to_json(event_document(version("packyard")))
