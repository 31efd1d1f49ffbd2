"""For the operator of the process: does it live, is it ready, what does it count."""

from typing import Final

from aiohttp import web

from schemas.http.resources import Readiness, Status
from service.http import CONTEXT, NO_CREDENTIALS, Answer, Media, Routes, one, reply
from service.http.keys import OPERATIONS
from service.observing import metrics
from service.refusals import PageNotFoundError

_BY_A_PROXY: Final = ("X-Forwarded-For", "Forwarded")

routes = Routes("Health", carriers=NO_CREDENTIALS)
metric_routes = Routes("Health", carriers=NO_CREDENTIALS)
"""Apart from the others: with HEALTH_PORT, that port alone serves them, since who may read metrics is decided there."""


@routes.get("/-/live", answers=(one(Status), one(Status, status=503)), refusals=(PageNotFoundError(),))
async def live(request: web.Request) -> web.Response:
    """Answer 200 as long as the event loop turns, and with it every loop that the process must not be without.

    Neither the database nor the broker counts: an outage of theirs is no reason to start a process again.
    """
    _require_inside(request)
    silent = request.app[CONTEXT].vitals.silent()
    if silent:
        return reply(Status(status=f"does not turn any more: {', '.join(silent)}"), status=503)
    return reply(Status(status="ok"))


@routes.get("/-/ready", answers=(one(Readiness), one(Readiness, status=503)), refusals=(PageNotFoundError(),))
async def ready(request: web.Request) -> web.Response:
    """Answer 200 when the process has reached its servers once, with its own credentials, and is not stopping.

    So a wrong password stops a rollout, and a later outage changes nothing. Otherwise an outage would take away every
    replica, and clients would get no answer in place of a 503 that says when to try again. The request asks no
    server: `servers` has the results of the last pings.
    """
    _require_inside(request)
    context = request.app[CONTEXT]
    seen = dict(context.servers.conditions())
    if context.vitals.is_stopping:
        return reply(Readiness(status="stopping", servers=seen), status=503)
    if missing := context.servers.missing:
        return reply(Readiness(status=f"has not reached: {', '.join(sorted(missing))}", servers=seen), status=503)
    return reply(Readiness(status="ok", servers=seen))


@metric_routes.get("/-/metrics", answers=Answer(200, media=Media.TEXT))
async def show_metrics(_request: web.Request) -> web.Response:
    """Answer with all that this process counts and measures, in the text format of Prometheus."""
    return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.EXPOSITION_TYPE})


def _require_inside(request: web.Request) -> None:
    """Hide health from requests that a proxy brings to the port of the API, where HEALTH_PORT is for health.

    Raises:
        PageNotFoundError: it is such a request.
    """
    is_apart = request.app[CONTEXT].settings.health_port is not None and OPERATIONS in request.app
    if is_apart and any(name in request.headers for name in _BY_A_PROXY):
        raise PageNotFoundError
