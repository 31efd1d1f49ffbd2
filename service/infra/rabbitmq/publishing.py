"""Publishing with confirms."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import aio_pika
import aiormq
from aio_pika.abc import AbstractExchange
from pydantic_core import to_json

from schemas.messages.cloud_events import CONTENT_TYPE, headers, published
from schemas.messages.outgoing import Entry, Kind

_CONFIRM_TIMEOUT_S: Final = 5


class Publisher:
    """Hands outbox entries to the broker, in order, and reports which it has confirmed."""

    def __init__(
        self,
        exchanges: Mapping[Kind, AbstractExchange],
        instance_id: UUID,
        require_answer: Callable[[], Awaitable[None]],
    ) -> None:
        """Use *require_answer* to ask the broker whether it is there; it raises BrokerUnavailableError if not."""
        self._exchanges = exchanges
        self._instance_id = instance_id
        self._require_answer = require_answer

    async def publish(self, entries: Iterable[Entry]) -> set[int]:
        """Return the positions of the entries that every queue bound to them has taken.

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
        is_command = entry.kind is Kind.COMMAND
        message = _command(entry) if is_command else _event(entry, self._instance_id)
        try:
            async with asyncio.timeout(_CONFIRM_TIMEOUT_S):
                # An event that nobody has subscribed to is no error; a command without a queue is one.
                await self._exchanges[entry.kind].publish(message, entry.routing_key, mandatory=is_command)
        except aiormq.exceptions.DeliveryError:
            return False
        except TimeoutError:
            return None
        return True


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
    return aio_pika.Message(
        to_json(body),
        content_type=CONTENT_TYPE,
        message_id=str(entry.id),
        type=body["type"],
        correlation_id=body["correlationid"],
        timestamp=datetime.now(UTC),
        app_id="packyard",
        headers=headers(body),
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
