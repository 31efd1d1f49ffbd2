"""Consuming: the deliveries of one queue."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import aio_pika
import aiormq
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

from schemas.messages.topology import DEAD_EXCHANGE

BrokerUnavailableError: Final = (aiormq.exceptions.AMQPError, aiormq.exceptions.ChannelInvalidStateError, OSError)
"""The errors that a driver call raises when the broker is away, or its connection or channel is closed."""

_BURY_TIMEOUT_S: Final = 5
_STOP_TIMEOUT_S: Final = 5
_REASON_HEADER: Final = "packyard-reason"


class Delivery:
    """A message that the broker waits to hear about."""

    def __init__(self, message: AbstractIncomingMessage) -> None:
        self._message = message

    @property
    def body(self) -> bytes:
        """The message as it came."""
        return self._message.body

    @property
    def routing_key(self) -> str:
        """The routing key with which it was published."""
        return self._message.routing_key or ""

    @property
    def published_at(self) -> datetime | None:
        """When it was published, to the second; None for a message that says nothing of it."""
        return self._message.timestamp

    async def ack(self) -> None:
        """Say that we are done with it; a broker that is gone will deliver it again, which does no harm."""
        with suppress(*BrokerUnavailableError):
            await self._message.ack()

    async def drop(self) -> None:
        """Leave it to the policy of the queue, which may keep it as a dead letter."""
        with suppress(*BrokerUnavailableError):
            await self._message.reject(requeue=False)

    async def give_back(self) -> None:
        """Let another worker have it."""
        with suppress(*BrokerUnavailableError):
            await self._message.nack(requeue=True)


class Consumer:
    """The deliveries of one queue."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._waiting: asyncio.Queue[Delivery] = asyncio.Queue()
        self._tag = ""
        self._queue: AbstractQueue | None = None

    async def start(self, queue_name: str, *, arguments: Mapping[str, Any] | None = None) -> None:
        """Begin to consume; *arguments* are sent to the broker beside the queue."""
        self._queue = await self._channel.get_queue(queue_name, ensure=False)
        self._tag = await self._queue.consume(self._put, arguments=dict(arguments or {}))

    async def stop(self) -> None:
        """Take no more; give back what was not begun."""
        with suppress(*BrokerUnavailableError):
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                if self._queue is not None:
                    await self._queue.cancel(self._tag)
        while not self._waiting.empty():
            await self._waiting.get_nowait().give_back()

    async def take(self, limit: int, *, within: float) -> list[Delivery]:
        """Return what has come, at least one and at most *limit*; nothing if none comes *within* seconds."""
        try:
            async with asyncio.timeout(within):
                batch = [await self._waiting.get()]
        except TimeoutError:
            return []
        while len(batch) < limit and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        return batch

    async def is_alive(self) -> bool:
        """Return whether the broker still delivers to us; it may cancel a consumer without closing anything."""
        if self._channel.is_closed:
            return False
        try:
            underlay: Any = await self._channel.get_underlay_channel()
        except BrokerUnavailableError:
            return False
        return self._tag in underlay.consumers

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """Put an unreadable message to the dead letters, with the reason."""
        dead = await self._channel.get_exchange(DEAD_EXCHANGE, ensure=False)
        message = aio_pika.Message(
            delivery.body, headers={_REASON_HEADER: reason}, delivery_mode=aio_pika.DeliveryMode.PERSISTENT
        )
        try:
            async with asyncio.timeout(_BURY_TIMEOUT_S):
                await dead.publish(message, "", mandatory=False)
        except (aiormq.exceptions.DeliveryError, TimeoutError):
            # The broker does not take even this dead letter; one bad message must not delay the good ones.
            await delivery.drop()
        else:
            await delivery.ack()

    async def _put(self, message: AbstractIncomingMessage) -> None:
        self._waiting.put_nowait(Delivery(message))
