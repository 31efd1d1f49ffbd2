"""Events and the stream that keeps them, which a broker that starts serves later than its other queues."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import aio_pika
import aiohttp
import pytest
from structlog.testing import capture_logs

from schemas.messages.topology import EVENTS_EXCHANGE, EVENTS_LOG
from service.backlog import rows as backlog_rows
from service.context import Context
from service.infra.rabbitmq.broker import open_broker
from tests.support.catalogue import delete, publish
from tests.support.servers import Servers
from tests.support.yard import eventually
from workers.relay import events, session

_PASSWORD: Final = "sesame"
_PATIENCE_S: Final = 10


@pytest.fixture
async def broker_url(servers: Servers, virtual_host: str) -> AsyncGenerator[str]:
    """The broker, as a user who may make nothing: what a broker does not serve yet, the relay cannot make either."""
    parts = urlsplit(virtual_host)
    name = f"user-{uuid4().hex}"
    async with aiohttp.ClientSession(servers.management_url, raise_for_status=True) as session:
        await session.put(f"/api/users/{name}", json={"password": _PASSWORD, "tags": ""})
        rights = {"configure": "", "write": ".*", "read": ".*"}
        await session.put(f"/api/permissions{parts.path}/{name}", json=rights)
        yield parts._replace(netloc=f"{name}:{_PASSWORD}@{parts.hostname}:{parts.port}").geturl()
        await session.delete(f"/api/users/{name}")


@pytest.fixture
async def log_url(virtual_host: str) -> AsyncGenerator[str]:
    """The broker, with all that is ours but the log, as the user who may make it."""
    async with open_broker(virtual_host, name="test"), await aio_pika.connect(virtual_host) as connection:
        channel = await connection.channel()
        await channel.queue_delete(EVENTS_LOG)
        yield virtual_host


@asynccontextmanager
async def _relaying(context: Context) -> AsyncGenerator[None]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(session.run_relay(context, stop))
        yield
        stop.set()


async def _untold(context: Context, kind: str) -> int:
    async with context.database.connection() as connection:
        waiting = await backlog_rows.outbox(connection)
    return sum(one.unpublished for one in waiting if one.kind == kind)


async def test_events_wait_for_their_log_and_commands_do_not(filled: Context, log_url: str) -> None:
    async def commands_are_out() -> bool:
        return not await _untold(filled, "command")

    async def events_are_out() -> bool:
        return not await _untold(filled, "event")

    await delete(filled, await publish(filled))
    async with _relaying(filled):
        await eventually(commands_are_out, within=_PATIENCE_S)
        await asyncio.sleep(1)
        assert await _untold(filled, "event") == 1
        async with open_broker(log_url, name="test"):  # which makes what is missing
            await eventually(events_are_out, within=_PATIENCE_S)

    async with await aio_pika.connect(log_url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=10)
        log = await channel.get_queue(EVENTS_LOG)
        async with asyncio.timeout(_PATIENCE_S), log.iterator(arguments={"x-stream-offset": "first"}) as messages:
            message = await anext(messages)
    assert message.headers["cloudEvents_type"] == "io.packyard.package.deletion_requested.v1"


async def test_a_log_that_is_gone_for_good_keeps_the_news_from_nobody(
    filled: Context, log_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_LOG_WITHIN_S", 1)
    await delete(filled, await publish(filled))
    async with await aio_pika.connect(log_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(EVENTS_EXCHANGE, "#")
        with capture_logs() as lines:
            async with _relaying(filled), asyncio.timeout(_PATIENCE_S), queue.iterator() as messages:
                message = await anext(messages)

    assert message.headers["cloudEvents_type"] == "io.packyard.package.deletion_requested.v1"
    assert [line["queue"] for line in lines if line["event"] == "events_without_log"] == [EVENTS_LOG]


@pytest.mark.usefixtures("log_url")
async def test_a_relay_that_waits_for_the_log_stops_at_once(filled: Context) -> None:
    package_id = await publish(filled)

    async with asyncio.timeout(_PATIENCE_S), _relaying(filled):
        await delete(filled, package_id)
        await asyncio.sleep(1)

    assert await _untold(filled, "event") == 1
