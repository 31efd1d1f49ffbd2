"""The HTTP application, and its life as a process."""

import asyncio
from typing import Final

import structlog
from aiohttp import web

from service.api.routes import (
    browsing,
    bulk,
    deletions,
    documentation,
    events,
    generic,
    health,
    hook_deliveries,
    hooks,
    packages,
    protection,
    quotas,
    retention,
    retention_runs,
    statistics,
)
from service.context import Context
from service.downloads import note_downloads
from service.http.event_streams import TAIL, follow_feed
from service.http.keys import CONTEXT, OPERATIONS, PREVIEWS, READS
from service.http.serving.caching import tag_answers
from service.http.serving.cross_origin import CrossOrigin
from service.http.serving.middlewares import add_headers, identify, translate_errors
from service.http.serving.rate_limit import RateLimit
from service.http.serving.server import LONGEST_FIELD, LONGEST_REQUEST_LINE, Runner, listen
from service.infra.postgres.expensive_reads import Reads
from service.registries.helm import routes as helm
from service.registries.maven import reading_routes as maven_reading
from service.registries.maven import routes as maven
from service.registries.npm import routes as npm
from service.registries.npm import service_routes as npm_services
from service.registries.npm import tag_routes as npm_tags
from service.registries.npm import unpublish_routes as npm_unpublishing
from service.registries.nuget import reading_routes as nuget_reading
from service.registries.nuget import routes as nuget
from service.registries.pypi import routes as pypi
from service.retention.preview import Previews
from service.web.app import MIDDLEWARES as PAGE_MIDDLEWARES
from service.web.app import add_pages

_LARGEST_BODY: Final = 1024 * 1024
"""The limit of a body that is read as a whole; uploads are streamed."""
_CUT_WITHIN_S: Final = 1.0
"""How long handlers may take to end once their connections are reset."""

ROUTES: Final = (
    generic.routes,
    pypi.routes,
    helm.routes,
    npm_services.routes,
    npm_tags.routes,
    npm_unpublishing.routes,
    npm.routes,
    maven.routes,
    maven_reading.routes,
    nuget.routes,
    nuget_reading.routes,
    protection.routes,
    packages.routes,
    bulk.routes,
    deletions.routes,
    events.routes,
    hooks.routes,
    hook_deliveries.routes,
    retention.routes,
    retention_runs.routes,
    statistics.routes,
    quotas.routes,
    browsing.routes,
    documentation.routes,
    health.routes,
    health.metric_routes,
)
"""All that may be served; where two paths match, the first counts."""

log = structlog.get_logger()


def create_app(context: Context) -> web.Application:
    """Build the application around an open context."""
    settings = context.settings
    cors = CrossOrigin(settings.cors_origins)
    limit = RateLimit(settings.rate_limit, settings.rate_limit_period, proxies=settings.trusted_proxies)
    app = web.Application(
        # Each request pays for each of these, so two of them are there only if the settings need them.
        middlewares=[
            identify,
            *([cors.answer_preflight] if settings.cors_origins else []),
            *([limit.throttle] if settings.rate_limit else []),
            *(tag_answers, translate_errors),
            *PAGE_MIDDLEWARES,
        ],
        client_max_size=_LARGEST_BODY,
    )
    app[CONTEXT] = context
    app[PREVIEWS] = Previews(context.database)
    app[READS] = Reads(context.database, settings.read_timeout)
    note_downloads(app, context.database)
    follow_feed(app)
    served = [routes for routes in ROUTES if routes is not health.metric_routes or settings.health_port is None]
    app[OPERATIONS] = tuple(operation for routes in served for operation in routes.operations)
    for routes in served:
        routes.add_frequent_to(app)
    for routes in served:
        routes.add_to(app)
    add_pages(app)
    app.on_response_prepare.append(add_headers)
    if settings.cors_origins:
        app.on_response_prepare.append(cors.add_headers)
    return app


def create_runner(context: Context) -> Runner:
    """Build what serves the application."""
    return Runner(
        create_app(context),
        access_log=None,
        keepalive_timeout=context.settings.request_timeout.total_seconds(),
        max_line_size=LONGEST_REQUEST_LINE,
        max_field_size=LONGEST_FIELD,
        shutdown_timeout=_CUT_WITHIN_S,
    )


async def run_api(context: Context, stop: asyncio.Event) -> None:
    """Serve until *stop*, and on while balancers notice it; then take no more requests and finish those under way.

    Raises:
        StartError: the address cannot be listened on.
    """
    settings = context.settings
    runner = create_runner(context)
    await runner.setup()
    try:
        await listen(runner, settings.host, settings.port, setting="PACKYARD_PORT")
        log.info("api_listening", host=settings.host, port=settings.port)
        await stop.wait()
        runner.app[TAIL].end()
        log.info("api_draining", seconds=settings.drain.total_seconds())
        await asyncio.sleep(settings.drain.total_seconds())
        left = await runner.finish(within=settings.finish_within.total_seconds())
        if left:
            log.warning("api_requests_cut", requests=left)
    finally:
        await runner.cleanup()
