"""Asking the servers of a process for a sign of life, all the time, so that no probe has to wait for them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from service.context import Context
from service.errors import StartError, StorageRefusedError, StorageUnavailableError
from service.infra.postgres.database import DatabaseUnavailableError, fetch
from service.observing.servers import Condition, ObservedServer

_DATABASE_EVERY_S: Final = 5.0
_STORE_EVERY_S: Final = 15.0
_BROKER_EVERY_S: Final = 60.0
"""A ping of the broker is a connection and lines in its log, so it is left to processes that have none."""
_PATIENCE_S: Final = 8.0
"""How long an answer is waited for until the server counts as away."""


@asynccontextmanager
async def pinged(context: Context) -> AsyncGenerator[None]:
    """Ping the servers that the process needs as long as the block runs."""
    pings = {
        ObservedServer.DATABASE: (_ask_database, _DATABASE_EVERY_S),
        ObservedServer.STORE: (_ask_store, _STORE_EVERY_S),
        ObservedServer.BROKER: (_ask_broker, _BROKER_EVERY_S),
    }
    tasks = [asyncio.create_task(_keep_asking(context, server, *pings[server])) for server in context.servers.needed]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _keep_asking(
    context: Context, server: ObservedServer, ask: Callable[[Context], Awaitable[Condition]], every_s: float
) -> None:
    while True:
        asked = asyncio.ensure_future(ask(context))
        try:
            await asyncio.wait({asked}, timeout=_PATIENCE_S)
            if not asked.done():
                context.servers.note(server, Condition.AWAY)
            # A disk that hangs keeps a thread, so we do not ask it again before it has answered.
            context.servers.note(server, await asked)
        finally:
            asked.cancel()
        await asyncio.sleep(every_s)


async def _ask_database(context: Context) -> Condition:
    try:
        async with context.database.connection() as connection:
            (row,) = await fetch(connection, "ping")
    except DatabaseUnavailableError:
        return Condition.AWAY
    return Condition.READ_ONLY if row["is_read_only"] else Condition.OK


async def _ask_store(context: Context) -> Condition:
    try:
        return Condition.OK if await context.store.is_ours() else Condition.FOREIGN
    except (StorageRefusedError, StorageUnavailableError):
        return Condition.AWAY


async def _ask_broker(context: Context) -> Condition:
    from service.infra.rabbitmq.broker import require_broker  # the API does without a broker

    known = context.servers.condition(ObservedServer.BROKER)
    if known is not None and context.servers.age_s(ObservedServer.BROKER) < _BROKER_EVERY_S:
        return known
    try:
        await require_broker(context.settings.broker_url.get_secret_value())
    except StartError:
        return Condition.AWAY
    return Condition.OK
