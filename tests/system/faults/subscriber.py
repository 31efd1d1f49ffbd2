"""A subscriber to all events, with a queue of its own, which it makes anew when the broker lost it."""

import asyncio
import hashlib
import itertools
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import aio_pika
import aiormq

from service.infra.rabbitmq.broker import PlainConnection

_QUEUE: Final = "sub.faults.v1"
_EXCHANGE: Final = "packyard.events"
_LOG: Final = "packyard.events.log"
_PAUSE_S: Final = 0.2
_PATIENCE_S: Final = 5
_HEARTBEAT_S: Final = 10
_AWAY: Final = (aiormq.exceptions.AMQPError, aiormq.exceptions.ChannelInvalidStateError, OSError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Received:
    """An event as it came first."""

    sequence: int
    topic: str
    digest: bytes


class Subscriber:
    """Receives, remembers, and compares what comes twice."""

    def __init__(self, brokers: Sequence[str], *, on_destroyed: Callable[[int], None]) -> None:
        self.events: dict[str, Received] = {}
        self.deliveries = 0
        self.doubled = 0
        self.different: list[str] = []
        """Events that came again with the same id and other bytes."""

        self.received_at: list[float] = []
        """When each delivery came."""

        self._brokers = itertools.cycle(brokers)
        """The node of the next try: one that is away is not asked twice in a row."""

        self._on_destroyed = on_destroyed

    async def listen(self) -> None:
        """Receive until cancelled; a broker that is away is waited for."""
        while True:
            with suppress(*_AWAY, TimeoutError):
                await self._listen_over_one_connection()
            await asyncio.sleep(_PAUSE_S)

    async def read_log(self, wanted: int) -> set[str]:
        """Return the ids in the stream of events, which begins when the broker was last made; *wanted* is enough."""
        ids: set[str] = set()
        enough = asyncio.Event()

        async def keep(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            ids.add(str(message.message_id))
            self._compare(message)
            await message.ack()
            if len(ids) >= wanted:
                enough.set()

        async with await aio_pika.connect(next(self._brokers), connection_class=PlainConnection) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=1_000)
            queue = await channel.get_queue(_LOG, ensure=False)
            await queue.consume(keep, arguments={"x-stream-offset": "first"})
            known = -1
            while not enough.is_set() and known < len(ids):
                known = len(ids)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PATIENCE_S):
                        await enough.wait()
        return ids

    async def _listen_over_one_connection(self) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            connection = await aio_pika.connect(
                next(self._brokers), timeout=_PATIENCE_S, heartbeat=_HEARTBEAT_S, connection_class=PlainConnection
            )
        try:
            async with asyncio.timeout(_PATIENCE_S):
                channel = await connection.channel()
                await channel.set_qos(prefetch_count=500)
                await channel.declare_exchange(_EXCHANGE, "topic", durable=True)
                queue = await channel.declare_queue(_QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
                await queue.bind(_EXCHANGE, "#")
                await queue.consume(self._keep)
            while not connection.is_closed and not channel.is_closed:
                await asyncio.sleep(_PAUSE_S)
        finally:
            with suppress(*_AWAY, TimeoutError):
                async with asyncio.timeout(_PAUSE_S):
                    await connection.close()

    async def _keep(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        self.deliveries += 1
        self.received_at.append(time.time())
        event = self._compare(message)
        self.doubled += event is None
        if event is not None and event["type"] == "io.packyard.package.destroyed.v1":
            self._on_destroyed(event["data"]["package_id"])
        with suppress(*_AWAY):
            await message.ack()

    def _compare(self, message: aio_pika.abc.AbstractIncomingMessage) -> dict[str, Any] | None:
        """Return the event if it is new."""
        event: dict[str, Any] = json.loads(message.body)
        digest = hashlib.sha256(message.body).digest()[:12]
        known = self.events.get(event["id"])
        if known is None:
            topic = event["type"].removeprefix("io.packyard.").removesuffix(".v1")
            self.events[event["id"]] = Received(int(event["sequence"]), topic, digest)
            return event
        if known.digest != digest:
            self.different.append(event["id"])
        return None
