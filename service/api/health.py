"""For whoever runs the process: does it live, is it ready, what does it count."""

from aiohttp import web

from schemas.resources import Status
from service import metrics
from service.api.keys import CONTEXT
from service.api.operations import NO_CREDENTIALS, Answer, Media, Routes, one
from service.api.replies import reply
from service.infra.database import DatabaseUnavailableError, fetch

routes = Routes("Health", carriers=NO_CREDENTIALS)
metric_routes = Routes("Health", carriers=NO_CREDENTIALS)
"""Apart from the others: with HEALTH_PORT, that port alone serves them, since who may read metrics is decided there."""


@routes.get("/-/live", answers=(one(Status), one(Status, status=503)))
async def live(request: web.Request) -> web.Response:
    """Answer 200 as long as the event loop turns, and with it every loop that the process must not be without.

    Neither the database nor the broker counts: an outage of theirs is no reason to start a process again.
    """
    silent = request.app[CONTEXT].vitals.silent()
    if silent:
        return reply(Status(status=f"does not turn any more: {', '.join(silent)}"), status=503)
    return reply(Status(status="ok"))


@routes.get("/-/ready", answers=(one(Status), one(Status, status=503)))
async def ready(request: web.Request) -> web.Response:
    """Answer 200 when the database answers and the process was not told to stop.

    The broker may be away, since the outbox takes commands, and for however long: a replica that is not ready serves
    nobody, so an outage of the broker would take away all reading. `bulk_delete` alone is refused then.
    """
    context = request.app[CONTEXT]
    if context.vitals.is_stopping:
        return reply(Status(status="stopping"), status=503)
    try:
        async with context.database.connection() as connection:
            await fetch(connection, "ping")
    except DatabaseUnavailableError:
        return reply(Status(status="the database does not answer"), status=503)
    return reply(Status(status="ok"))


@metric_routes.get("/-/metrics", answers=Answer(200, media=Media.TEXT))
async def tell_metrics(_request: web.Request) -> web.Response:
    """Answer with all that this process counts and measures, in the text format of Prometheus."""
    return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})
