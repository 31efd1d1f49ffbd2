"""RabbitMQ: publishing with confirms, and consuming.

Connections are plain ones. Whoever uses them opens a new one when something is wrong with the old one, since
nothing that a broker forgets is lost: the database knows what is to be done.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import aio_pika
import aiormq
import structlog
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage
from pydantic_core import to_json

from schemas.events import CONTENT_TYPE, published
from schemas.topology import COMMANDS_EXCHANGE, DEAD_EXCHANGE, EVENTS_EXCHANGE, EXCHANGES, QUEUES, Queue
from service.errors import StartError
from service.infra.outbox import Entry, Kind

BrokerUnavailableError: Final = (aiormq.exceptions.AMQPError, aiormq.exceptions.ChannelInvalidStateError, OSError)
"""What a driver call raises when the broker is away, or its connection or channel is closed."""

_CONNECT_TIMEOUT_S: Final = 5
_CONFIRM_TIMEOUT_S: Final = 5
_HEARTBEAT_S: Final = 30
_REASON_HEADER: Final = "packyard-reason"

log = structlog.get_logger()


class Publisher:
    """Hands outbox entries to the broker, in order, and tells which it has confirmed."""

    def __init__(self, exchanges: Mapping[Kind, AbstractExchange], instance_id: UUID) -> None:
        self._exchanges = exchanges
        self._instance_id = instance_id

    async def publish(self, entries: Iterable[Entry]) -> set[int]:
        """Return the positions of the entries that every queue bound to them has taken."""
        async with asyncio.TaskGroup() as group:
            # Frames leave in the order in which these begin; only the confirms come in any order.
            sent = [(entry.position, group.create_task(self._publish_one(entry))) for entry in entries]
        return {position for position, confirmed in sent if confirmed.result()}

    async def _publish_one(self, entry: Entry) -> bool:
        is_command = entry.kind is Kind.COMMAND
        message = _command(entry) if is_command else _event(entry, self._instance_id)
        try:
            async with asyncio.timeout(_CONFIRM_TIMEOUT_S):
                # An event that nobody has subscribed to is no error; a command without a queue is one.
                await self._exchanges[entry.kind].publish(message, entry.routing_key, mandatory=is_command)
        except (aiormq.exceptions.DeliveryError, TimeoutError):
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

    async def publisher(self, instance_id: UUID) -> Publisher:
        """Return a publisher of the instance with that id, on a channel of its own."""
        channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        names = {Kind.COMMAND: COMMANDS_EXCHANGE, Kind.EVENT: EVENTS_EXCHANGE}
        exchanges = {kind: await channel.get_exchange(name, ensure=False) for kind, name in names.items()}
        return Publisher(exchanges, instance_id)

    async def consumer(self, queue_name: str, *, prefetch: int) -> Consumer:
        """Return a consumer on a channel of its own, started; a queue that does not answer is a TimeoutError."""
        async with asyncio.timeout(2 * _CONNECT_TIMEOUT_S):
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
        await channel.close()
        for queue in QUEUES:
            await self._declare_queue(queue)

    async def _declare_queue(self, queue: Queue) -> None:
        channel = await self._connection.channel()
        try:
            declared = await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
            await declared.bind(queue.exchange, queue.routing_key)
        except aiormq.exceptions.ChannelClosed as error:
            # A queue whose node is away, or that RabbitMQ 3 lost by dying right after it was made, can be neither
            # declared nor deleted. The others work without it; an operator has to look after this one.
            log.warning("queue_unavailable", queue=queue.name, reason=str(error))
        else:
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


def _event(entry: Entry, instance_id: UUID) -> aio_pika.Message:
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
