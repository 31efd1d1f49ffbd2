"""For whoever runs the process: is it alive, is it ready."""

from aiohttp import web

from service.api.keys import CONTEXT
from service.api.replies import reply
from service.infra.database import DatabaseUnavailableError, fetch

routes = web.RouteTableDef()


@routes.get("/-/live")
async def live(_request: web.Request) -> web.Response:
    """Answer as long as the event loop turns."""
    return reply({"status": "ok"})


@routes.get("/-/ready")
async def ready(request: web.Request) -> web.Response:
    """Answer 200 when the database answers; the broker may be away, since the outbox takes commands."""
    try:
        async with request.app[CONTEXT].database.connection() as connection:
            await fetch(connection, "ping")
    except DatabaseUnavailableError:
        return reply({"status": "the database does not answer"}, status=503)
    return reply({"status": "ok"})
