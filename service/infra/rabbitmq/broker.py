"""RabbitMQ: a connection, and what is declared on it.

Connections are plain ones. Their user opens a new one when something is wrong with the old one. Nothing that a broker
forgets is lost, since the database knows what is to be done.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import aio_pika
import aiormq
import structlog
from typing_extensions import override

from schemas.messages.topology import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, EVENTS_LOG, EXCHANGES, QUEUES, Queue
from service.configuration.several_hosts import at_hosts, one_host_each
from service.errors import BrokerAwayError, StartError, first_line
from service.infra.rabbitmq.consuming import BrokerUnavailableError, Consumer
from service.infra.rabbitmq.publishing import CommandPublisher, EventPublisher, QueuePublisher
from service.infra.rabbitmq.short_channels import lost_by_now, short_channel

_CONNECT_TIMEOUT_S: Final = 5
_HEARTBEAT_S: Final = 10
"""The broker ends a connection that is silent for two heartbeats, the driver one that is silent for three."""
_ANSWER_TIMEOUT_S: Final = 2 * _CONNECT_TIMEOUT_S
_NO_ENTRY: Final = "Connection.OpenOk"
"""The frame that the driver expected when the broker closed the connection instead; the driver reports no reason."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """The depth of a queue: its messages that no consumer has taken, and its consumers."""

    ready: int
    consumers: int


class PlainConnection(aio_pika.Connection):
    """A connection that only its opener closes."""

    @override
    def __del__(self) -> None:
        """Do nothing.

        The driver would begin to close a connection that never was connected, or that did not close well. It would use
        the loop of the thread that collects the garbage, and most threads have none.
        """


class Broker:
    """A connection with our exchanges and queues declared."""

    def __init__(self, connection: aio_pika.abc.AbstractConnection) -> None:
        self._connection = connection

    async def command_publisher(self) -> CommandPublisher:
        """Return a publisher of commands, on a channel of its own."""
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            channel = await self._channel(on_return_raises=True)
        return CommandPublisher(await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False), self.require_answer)

    async def event_publisher(self) -> EventPublisher:
        """Return a publisher of events, on a channel of its own."""
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            return EventPublisher(await self._channel(), self.require_answer)

    async def queue_publisher(self, queue_name: str) -> QueuePublisher:
        """Return a publisher of events to one queue, on a channel of its own."""
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            channel = await self._channel(on_return_raises=True)
        return QueuePublisher(channel.default_exchange, queue_name)

    async def require_answer(self) -> None:
        """Ask for a channel over this connection; a broker that does not answer soon is a TimeoutError."""
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            async with short_channel(self._connection):
                pass

    async def consumer(self, queue_name: str, *, prefetch: int) -> Consumer:
        """Return a consumer on a channel of its own, started; a queue that does not answer is a TimeoutError."""
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            channel = await self._channel()
            await channel.set_qos(prefetch_count=prefetch)
            consumer = Consumer(channel)
            await consumer.start(queue_name)
        return consumer

    async def subscriber(self, patterns: Iterable[str]) -> Consumer:
        """Return a consumer of the events that match, through a queue that goes with the connection."""
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            channel = await self._channel()
            await channel.set_qos(prefetch_count=100)
            queue = await channel.declare_queue(exclusive=True, auto_delete=True)
            for pattern in patterns:
                await queue.bind(EVENTS_EXCHANGE, pattern)
            consumer = Consumer(channel)
            await consumer.start(queue.name)
        return consumer

    async def replayer(self, since: datetime) -> Consumer:
        """Return a consumer of the log of events, past and to come.

        The log begins a chunk of its own before *since*; what is earlier is left to the caller to pass over.
        """
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            channel = await self._channel()
            await channel.set_qos(prefetch_count=100)
            consumer = Consumer(channel)
            await consumer.start(EVENTS_LOG, arguments={"x-stream-offset": since})
        return consumer

    async def queue_depth(self, queue_name: str) -> QueueDepth | None:
        """Return the depth of a queue; None for one that cannot be used."""
        try:
            async with short_channel(self._connection) as channel:
                found = await channel.queue_declare(queue_name, passive=True)
        except aiormq.exceptions.ChannelClosed:
            return None
        return QueueDepth(found.message_count or 0, found.consumer_count or 0)

    async def declare(self) -> None:
        """Declare every exchange and queue of ours, unless the user that we are may not: then somebody else does."""
        channel = await self._channel()
        try:
            for exchange in EXCHANGES:
                await channel.declare_exchange(exchange.name, exchange.kind, durable=True)
        except aiormq.exceptions.ChannelAccessRefused:
            return
        await channel.close()
        for queue in QUEUES:
            await self._declare_queue(queue)

    async def _channel(self, *, on_return_raises: bool = False) -> aio_pika.abc.AbstractChannel:
        with lost_by_now():
            return await self._connection.channel(publisher_confirms=True, on_return_raises=on_return_raises)

    async def _declare_queue(self, queue: Queue) -> None:
        channel = await self._channel()
        try:
            declared = await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
            await declared.bind(queue.exchange, queue.routing_key)
        except aiormq.exceptions.ChannelClosed as error:
            # A queue whose node is away, or that RabbitMQ 3 lost by dying right after it was made, can be neither
            # declared nor deleted. The others work without it; an operator has to mend this one.
            log.warning("queue_unavailable", queue=queue.name, reason=str(error))
        else:
            await channel.close()


@asynccontextmanager
async def open_broker(url: str, *, name: str) -> AsyncGenerator[Broker]:
    """Connect as *name* and declare what is ours.

    The first host of *url* that takes us is used.

    Raises:
        BrokerUnavailableError: one of these, when the broker cannot be reached or refuses.
    """
    connection = await _connect(url, name)
    try:
        broker = Broker(connection)
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            await broker.declare()
        yield broker
    finally:
        with suppress(*BrokerUnavailableError):
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await connection.close()


async def _connect(url: str, name: str) -> aio_pika.abc.AbstractConnection:
    hosts = one_host_each(url)
    for address in hosts[:-1]:
        with suppress(*BrokerUnavailableError):
            return await _connect_to(address, name, share=len(hosts))
    return await _connect_to(hosts[-1], name, share=len(hosts))


async def _connect_to(url: str, name: str, *, share: int) -> aio_pika.abc.AbstractConnection:
    async with asyncio.timeout(_ANSWER_TIMEOUT_S / share):
        return await aio_pika.connect(
            url,
            timeout=_CONNECT_TIMEOUT_S / share,
            heartbeat=_HEARTBEAT_S,
            client_properties={"connection_name": name},
            connection_class=PlainConnection,
        )


async def require_broker(url: str) -> None:
    """Check that the broker can be used.

    Raises:
        BrokerAwayError: it does not answer now.
        StartError: it refuses us, and would however often it is asked.
    """
    try:
        async with open_broker(url, name="packyard-check"):
            pass
    except (*BrokerUnavailableError, ValueError) as error:
        raise (StartError if _is_refusal(error) else BrokerAwayError)(
            f"PACKYARD_BROKER_URL: cannot use the broker{at_hosts(url)}: {_reason(error)}"
        ) from error


def _reason(error: Exception) -> str:
    if _is_closed_door(error):
        return "its virtual host is not there, not ready yet, or not for this user"
    return first_line(error)


def _is_closed_door(error: Exception) -> bool:
    return isinstance(error, aiormq.exceptions.InvalidFrameError) and _NO_ENTRY in str(error)


def _is_refusal(error: Exception) -> bool:
    """Return whether our settings are wrong: address, user, certificate, or a declaration of ours.

    A virtual host may be made, or get ready, after the broker answers.
    """
    refusals = (
        aiormq.exceptions.ProbableAuthenticationError,
        aiormq.exceptions.AuthenticationError,
        ssl.SSLCertVerificationError,  # by the driver wrapped in an error of its own
    )
    is_outage = isinstance(error, OSError) or _is_closed_door(error)
    return not is_outage or isinstance(error, refusals) or isinstance(error.__cause__, refusals)
