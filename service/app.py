"""The HTTP application, and its life as a process."""

import asyncio
import os
from typing import Final

import structlog
from aiohttp import web

from service.api import generic, health, packages
from service.api.keys import CONTEXT
from service.api.middlewares import add_headers, identify, translate_errors
from service.context import Context
from service.errors import StartError

_LARGEST_BODY: Final = 1024 * 1024
"""Of a body that is read as a whole; uploads are streamed."""
_SHUTDOWN_TIMEOUT_S: Final = 20.0

log = structlog.get_logger()


def create_app(context: Context) -> web.Application:
    """Build the application around an open context."""
    app = web.Application(middlewares=[identify, translate_errors], client_max_size=_LARGEST_BODY)
    app[CONTEXT] = context
    for module in (generic, packages, health):
        app.add_routes(module.routes)
    app.on_response_prepare.append(add_headers)
    return app


def create_runner(context: Context) -> web.AppRunner:
    """Build what serves the application; a body reaches it as it was sent, whatever its Content-Encoding says."""
    return web.AppRunner(
        create_app(context), access_log=None, auto_decompress=False, shutdown_timeout=_SHUTDOWN_TIMEOUT_S
    )


async def run_api(context: Context, stop: asyncio.Event) -> None:
    """Serve until *stop*; then take no more requests and finish those under way.

    Raises:
        StartError: the address cannot be listened on.
    """
    settings = context.settings
    runner = create_runner(context)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, reuse_port=False)
        try:
            await site.start()
        except OSError as error:
            raise StartError(
                f"PACKYARD_HOST, PACKYARD_PORT: cannot listen on {settings.host}:{settings.port}: "
                f"{os.strerror(error.errno or 0).lower()}"
            ) from error
        log.info("api_listening", host=settings.host, port=settings.port)
        await stop.wait()
    finally:
        await runner.cleanup()
