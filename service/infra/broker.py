"""RabbitMQ: publishing with confirms, and consuming.

Connections are plain ones. Whoever uses them opens a new one when something is wrong with the old one, since
nothing that a broker forgets is lost: the database knows what is to be done.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final

import aio_pika
import aiormq
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage
from pydantic_core import to_json

from schemas.events import CONTENT_TYPE, published
from schemas.topology import COMMANDS_EXCHANGE, DEAD_EXCHANGE, EVENTS_EXCHANGE, EXCHANGES, QUEUES
from service.errors import StartError
from service.infra.outbox import Entry

BrokerUnavailableError: Final = (aiormq.exceptions.AMQPError, aiormq.exceptions.ChannelInvalidStateError, OSError)
"""What a driver call raises when the broker is away, or its connection or channel is closed."""

_CONNECT_TIMEOUT_S: Final = 5
_PUBLISH_TIMEOUT_S: Final = 10
_HEARTBEAT_S: Final = 30
_REASON_HEADER: Final = "packyard-reason"


class Publisher:
    """Hands outbox entries to the broker, in order, and tells which it has confirmed."""

    def __init__(self, commands: AbstractExchange, events: AbstractExchange) -> None:
        self._commands = commands
        self._events = events

    async def publish(self, entries: Iterable[Entry], *, instance_id: Any) -> list[int]:
        """Return the positions of the entries that need not be sent again.

        A command that the broker refuses is among them: the scheduler sends for its deletion later anyhow.
        """
        async with asyncio.timeout(_PUBLISH_TIMEOUT_S), asyncio.TaskGroup() as group:
            # Frames leave in the order in which these begin; only the confirms come in any order.
            sent = [(entry, group.create_task(self._publish_one(entry, instance_id))) for entry in entries]
        return [entry.position for entry, confirmed in sent if confirmed.result() or entry.is_command]

    async def _publish_one(self, entry: Entry, instance_id: Any) -> bool:
        exchange = self._commands if entry.is_command else self._events
        message = _command(entry) if entry.is_command else _event(entry, instance_id)
        try:
            await exchange.publish(message, entry.routing_key, mandatory=entry.is_command)
        except aiormq.exceptions.DeliveryError:
            return False
        return True


class Delivery:
    """A message that the broker waits to hear about."""

    def __init__(self, message: AbstractIncomingMessage) -> None:
        self._message = message

    @property
    def body(self) -> bytes:
        """The message as it came."""
        return self._message.body

    async def ack(self) -> None:
        """Say that we are done with it; a broker that is gone will deliver it again, which does no harm."""
        with suppress(*BrokerUnavailableError):
            await self._message.ack()

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
        self._queue: Any = None

    async def start(self, queue_name: str) -> None:
        """Begin to consume."""
        self._queue = await self._channel.get_queue(queue_name, ensure=False)
        self._tag = await self._queue.consume(self._put)

    async def stop(self) -> None:
        """Take no more; give back what was not begun."""
        with suppress(*BrokerUnavailableError):
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
        """Tell whether the broker still delivers to us; it may cancel a consumer without closing anything."""
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
        await dead.publish(message, "", mandatory=False)
        await delivery.ack()

    async def _put(self, message: AbstractIncomingMessage) -> None:
        self._waiting.put_nowait(Delivery(message))


class Broker:
    """A connection with our exchanges and queues declared."""

    def __init__(self, connection: aio_pika.abc.AbstractConnection) -> None:
        self._connection = connection

    async def publisher(self) -> Publisher:
        """Return a publisher on a channel of its own."""
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        commands = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
        return Publisher(commands, await channel.get_exchange(EVENTS_EXCHANGE, ensure=False))

    async def consumer(self, queue_name: str, *, prefetch: int) -> Consumer:
        """Return a consumer on a channel of its own, started."""
        channel = await self._connection.channel(publisher_confirms=True)
        await channel.set_qos(prefetch_count=prefetch)
        consumer = Consumer(channel)
        await consumer.start(queue_name)
        return consumer

    async def subscriber(self, patterns: Iterable[str]) -> Consumer:
        """Return a consumer of the events that match, through a queue that goes with the connection."""
        channel = await self._connection.channel()
        await channel.set_qos(prefetch_count=100)
        queue = await channel.declare_queue(exclusive=True, auto_delete=True)
        for pattern in patterns:
            await queue.bind(EVENTS_EXCHANGE, pattern)
        consumer = Consumer(channel)
        await consumer.start(queue.name)
        return consumer

    async def declare(self) -> None:
        """Declare every exchange and queue of ours."""
        channel = await self._connection.channel()
        for exchange in EXCHANGES:
            await channel.declare_exchange(exchange.name, exchange.kind, durable=True)
        for queue in QUEUES:
            declared = await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
            await declared.bind(queue.exchange, queue.routing_key)
        await channel.close()


@asynccontextmanager
async def open_broker(url: str, *, name: str) -> AsyncGenerator[Broker]:
    """Connect as *name* and declare what is ours.

    Raises:
        BrokerUnavailableError: one of these, when the broker cannot be reached or refuses.
    """
    async with asyncio.timeout(2 * _CONNECT_TIMEOUT_S):
        connection = await aio_pika.connect(
            url,
            timeout=_CONNECT_TIMEOUT_S,
            heartbeat=_HEARTBEAT_S,
            client_properties={"connection_name": name},
        )
    try:
        broker = Broker(connection)
        async with asyncio.timeout(2 * _CONNECT_TIMEOUT_S):
            await broker.declare()
        yield broker
    finally:
        with suppress(*BrokerUnavailableError):
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await connection.close()


async def require_broker(url: str) -> None:
    """Check that the broker can be used.

    Raises:
        StartError: it cannot.
    """
    try:
        async with open_broker(url, name="packyard-check"):
            pass
    except BrokerUnavailableError as error:
        reason = str(error) or type(error).__name__
        raise StartError(f"PACKYARD_BROKER_URL: cannot use the broker: {reason}") from error


def _command(entry: Entry) -> aio_pika.Message:
    return aio_pika.Message(
        to_json(entry.body),
        content_type="application/json",
        message_id=str(entry.id),
        app_id="packyard",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


def _event(entry: Entry, instance_id: Any) -> aio_pika.Message:
    body = published(entry.body, instance_id=instance_id, sequence=entry.sequence or 0)
    attributes = {
        f"cloudEvents_{name}": value for name, value in body.items() if name not in {"data", "datacontenttype"}
    }
    return aio_pika.Message(
        to_json(body),
        content_type=CONTENT_TYPE,
        message_id=str(entry.id),
        type=body["type"],
        correlation_id=body["correlationid"],
        timestamp=datetime.now(UTC),
        app_id="packyard",
        headers=attributes,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
