"""Publishing with confirms."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import aio_pika
import aiormq
from aio_pika.abc import AbstractExchange
from pydantic_core import to_json

from schemas.cloud_events import CONTENT_TYPE, headers, published
from service.infra.outbox import Entry, Kind

_CONFIRM_TIMEOUT_S: Final = 5


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
