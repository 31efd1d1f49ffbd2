"""Consumers of events that note when each came: one of the broker, one of the feed."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aio_pika
import aiohttp

from schemas.messages.topology import EVENTS_EXCHANGE
from tests.system.benchmarks.bench import TOKEN

_PATIENCE_S: Final = 60
_GLANCE_S: Final = 0.02


@dataclass(slots=True)
class Arrivals:
    """When events came, by their ids."""

    amqp: dict[str, float] = field(default_factory=dict)
    feed: dict[str, float] = field(default_factory=dict)

    async def of(self, ids: Collection[str]) -> dict[str, dict[str, float]]:
        """Wait until all of these came both ways; return the times by way."""
        async with asyncio.timeout(_PATIENCE_S):
            while not all(each in self.amqp and each in self.feed for each in ids):
                await asyncio.sleep(_GLANCE_S)
        return {"amqp": self.amqp, "feed": self.feed}


@asynccontextmanager
async def consuming(broker_url: str, api_url: str, project_id: int) -> AsyncGenerator[Arrivals]:
    """Consume a queue of the broker, and a project's feed as server-sent events."""
    arrivals = Arrivals()

    async def note(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        arrivals.amqp[message.message_id or ""] = time.time()
        await message.ack()

    async def read(answer: aiohttp.ClientResponse) -> None:
        async for line in answer.content:
            if line.startswith(b"data: "):
                at = time.time()
                arrivals.feed[json.loads(line.removeprefix(b"data: "))["id"]] = at

    feed = f"{api_url}/api/v4/projects/{project_id}/package_events"
    headers = {**TOKEN, "Accept": "text/event-stream"}
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        await aio_pika.connect(broker_url) as connection,
        aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
        session.get(feed, headers=headers) as answer,
    ):
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(EVENTS_EXCHANGE, f"#.{project_id}")
        await queue.consume(note)
        reading = asyncio.create_task(read(answer))
        yield arrivals
        reading.cancel()
