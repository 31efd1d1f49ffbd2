"""For whoever runs the process: is it alive, is it ready."""

from aiohttp import web

from schemas.resources import Status
from service.api.keys import CONTEXT
from service.api.operations import NO_CREDENTIALS, Routes, one
from service.api.replies import reply
from service.infra.database import DatabaseUnavailableError, fetch

routes = Routes("Health", carriers=NO_CREDENTIALS)


@routes.get("/-/live", answers=one(Status))
async def live(_request: web.Request) -> web.Response:
    """Answer as long as the event loop turns."""
    return reply(Status(status="ok"))


@routes.get("/-/ready", answers=(one(Status), one(Status, status=503)))
async def ready(request: web.Request) -> web.Response:
    """Answer 200 when the database answers; the broker may be away, since the outbox takes commands."""
    try:
        async with request.app[CONTEXT].database.connection() as connection:
            await fetch(connection, "ping")
    except DatabaseUnavailableError:
        return reply(Status(status="the database does not answer"), status=503)
    return reply(Status(status="ok"))
