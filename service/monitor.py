"""The server that every process runs for its operators: health and metrics on a port of their own."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

import structlog
from aiohttp import web

from service.api.routes import health
from service.context import Context
from service.http.keys import CONTEXT
from service.http.serving.server import listen
from service.infra.postgres.database import Database
from service.infra.postgres.schema_version import newest_version
from service.observing import metrics
from service.pings import pinged

_TICK_S: Final = 1.0

log = structlog.get_logger()


@asynccontextmanager
async def monitored(context: Context) -> AsyncGenerator[None]:
    """Measure the process as long as the block runs, and answer on HEALTH_PORT if there is one.

    Raises:
        StartError: the port cannot be listened on.
    """
    metrics.BUILD.info({"version": version("packyard"), "schema": newest_version()})
    watching = asyncio.create_task(_watch_loop())
    pool = metrics.exported(lambda: _pool_use(context.database))
    try:
        with pool, metrics.exported(context.servers.gauges):
            async with pinged(context):
                if context.settings.health_port is None:
                    yield
                else:
                    async with _listening(context, context.settings.health_port):
                        yield
    finally:
        watching.cancel()


@asynccontextmanager
async def _listening(context: Context, port: int) -> AsyncGenerator[None]:
    app = web.Application()
    app[CONTEXT] = context
    for routes in (health.routes, health.metric_routes):
        routes.add_to(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        hosts = context.settings.host
        await listen(runner, hosts, port, setting="PACKYARD_HEALTH_PORT")
        log.info("health_listening", host=hosts, port=runner.addresses[0][1])
        yield
    finally:
        await runner.cleanup()


async def _watch_loop() -> None:
    while True:
        due = time.perf_counter() + _TICK_S
        await asyncio.sleep(_TICK_S)
        metrics.LOOP_LAG.set(max(0.0, time.perf_counter() - due))


def _pool_use(database: Database) -> metrics.MetricFamilies:
    usage = database.usage()
    yield metrics.gauges(
        "packyard_database_connections",
        "Connections in the pool, by whether they are in use",
        ("state",),
        [((state,), usage[state]) for state in ("idle", "used")],
    )
    yield metrics.gauges(
        "packyard_database_connections_max", "Connections that the pool may have", (), [((), usage["most"])]
    )
