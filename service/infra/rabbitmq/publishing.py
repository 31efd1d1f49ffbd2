"""Publishing with confirms."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, cast

import aio_pika
import aiormq
from aio_pika.abc import AbstractChannel, AbstractExchange
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from pydantic_core import from_json, to_json

from schemas.messages.cloud_events import CONTENT_TYPE, headers
from schemas.messages.outgoing import Entry, LoggedEvent
from schemas.messages.topology import EVENTS_EXCHANGE, REPLAY_HEADER, ROUTING_KEY_HEADER
from service.errors import StartError
from service.infra.rabbitmq.consuming import BrokerUnavailableError
from service.infra.rabbitmq.event_frames import event_frames

_CONFIRM_TIMEOUT_S: Final = 5


class CommandPublisher:
    """Hands commands to the broker, in order, and reports which it has confirmed."""

    def __init__(self, exchange: AbstractExchange, require_answer: Callable[[], Awaitable[None]]) -> None:
        """Use *require_answer* to ask the broker whether it is there; it raises BrokerUnavailableError if not."""
        self._exchange = exchange
        self._require_answer = require_answer

    async def publish(self, entries: Iterable[Entry]) -> set[int]:
        """Return the positions of the entries that a queue has taken.

        Raises:
            BrokerUnavailableError: one of these, when the broker is silent; any of the entries may have arrived.
        """
        async with asyncio.TaskGroup() as group:
            # Frames leave in the order in which these begin; only the confirms come in any order.
            sent = [(entry.position, group.create_task(self._publish_one(entry))) for entry in entries]
        if any(confirmed.result() is None for _, confirmed in sent):
            # A queue that confirms nothing is a fault of that queue; a silent broker has refused nothing.
            await self._require_answer()
        return {position for position, confirmed in sent if confirmed.result()}

    async def _publish_one(self, entry: Entry) -> bool | None:
        """Return whether the message was taken; None when no answer came."""
        message = aio_pika.Message(
            to_json(entry.body),
            content_type="application/json",
            message_id=str(entry.id),
            app_id="packyard",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        try:
            async with asyncio.timeout(_CONFIRM_TIMEOUT_S):
                # A command without a queue is an error; an event that nobody has subscribed to is none.
                await self._exchange.publish(message, entry.routing_key, mandatory=True)
        except aiormq.exceptions.DeliveryError:
            return False
        except TimeoutError:
            return None
        return True


class EventPublisher:
    """Hands events of the log to the broker, in order and in one write, and reports which it has confirmed."""

    def __init__(self, channel: AbstractChannel, require_answer: Callable[[], Awaitable[None]]) -> None:
        """Use *require_answer* to ask the broker whether it is there; it raises BrokerUnavailableError if not."""
        self._channel = channel
        self._require_answer = require_answer

    async def publish(self, events: Sequence[LoggedEvent]) -> set[int]:
        """Return the numbers of the events that every queue bound to them has taken.

        Raises:
            BrokerUnavailableError: one of these, when the broker is silent; any of the events may have arrived.
        """
        confirms = await self._send(events)
        _, silent = await asyncio.wait(confirms, timeout=_CONFIRM_TIMEOUT_S)
        for confirm in silent:
            confirm.cancel()
        if silent:
            # A queue that confirms nothing is a fault of that queue; a silent broker has refused nothing.
            await self._require_answer()
        return {
            event.sequence
            for event, confirm in zip(events, confirms, strict=True)
            if confirm not in silent and _is_taken(confirm)
        }

    async def _send(self, events: Sequence[LoggedEvent]) -> list["asyncio.Future[object]"]:
        """Write all events together; return a future for each, which ends with the broker's answer."""
        # This is what the driver's basic_publish does for one message. It has no way to publish many.
        channel = cast(Channel, await self._channel.get_underlay_channel())
        frame_max = channel.connection.connection_tune.frame_max
        now = int(time.time())
        payload = b"".join(
            part
            for event in events
            for part in event_frames(
                event, exchange=EVENTS_EXCHANGE, channel=channel.number, frame_max=frame_max, now=now
            )
        )
        async with asyncio.timeout(_CONFIRM_TIMEOUT_S), channel.lock:
            await channel.write_queue.put(ChannelFrame(payload=payload, should_close=False))
            # Nothing is awaited from here on, so no answer can come before its future is there.
            return [self._expect_answer(channel) for _ in events]

    def _expect_answer(self, channel: Channel) -> "asyncio.Future[object]":
        channel.delivery_tag += 1
        answer = channel.create_future()
        channel.confirmations[channel.delivery_tag] = answer
        return answer


class QueuePublisher:
    """Hands events to one queue and to no other, each marked as a replay."""

    def __init__(self, exchange: AbstractExchange, queue_name: str) -> None:
        """Use the default *exchange*."""
        self._exchange = exchange
        self._queue_name = queue_name

    async def publish(self, events: Iterable[LoggedEvent]) -> None:
        """Send the events; return when the queue has all of them.

        Raises:
            StartError: there is no such queue, or it is full.
            BrokerUnavailableError: one of these, when the broker is silent; any of the events may have arrived.
        """
        # Frames leave in the order in which these begin; only the confirms come in any order.
        try:
            async with asyncio.TaskGroup() as tasks:
                sent = [tasks.create_task(self._publish_one(event)) for event in events]
        except ExceptionGroup as group:
            if group.split(BrokerUnavailableError)[1] is not None:
                raise
            raise ConnectionResetError("the connection to the broker was lost") from group
        if not all(each.result() for each in sent):
            raise StartError(f"queue {self._queue_name}: is not there, or takes no more")

    async def _publish_one(self, event: LoggedEvent) -> bool:
        body = from_json(event.body)
        message = aio_pika.Message(
            event.body.encode(),
            headers={**headers(body), REPLAY_HEADER: True, ROUTING_KEY_HEADER: event.routing_key},
            content_type=CONTENT_TYPE,
            message_id=body["id"],
            type=body["type"],
            correlation_id=body["correlationid"],
            timestamp=datetime.now(UTC),
            app_id="packyard",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        async with asyncio.timeout(_CONFIRM_TIMEOUT_S):
            try:
                await self._exchange.publish(message, self._queue_name, mandatory=True)
            except aiormq.exceptions.DeliveryError:
                return False
        return True


def _is_taken(confirm: "asyncio.Future[object]") -> bool:
    try:
        confirm.result()
    except aiormq.exceptions.DeliveryError:
        return False
    return True
