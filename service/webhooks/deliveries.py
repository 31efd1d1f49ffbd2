"""Rows of deliveries: those that failed, and those that a person asked for."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from schemas.base import Json
from service.infra.egress.sending import HttpAnswer
from service.infra.postgres.database import Connection, execute, fetch, fetch_row
from service.infra.postgres.queries import whole_row
from service.infra.postgres.records import row_reader

_KEPT: Final = timedelta(days=7)


class DeliveryKind(StrEnum):
    """The reason of a delivery."""

    EVENT = "event"
    """An event of the log, whose first attempt failed."""
    TEST = "test"
    """Somebody asked for it, to try the webhook."""
    RESEND = "resend"
    """Somebody asked to have an earlier one sent again."""


class DeliveryState(StrEnum):
    """Where a delivery is; FAILED is the end of one that a person asked for."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    SKIPPED = "skipped"


@whole_row("webhook_delivery")
@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One event on its way to one webhook, with the answer to the last attempt."""

    id: int
    webhook_id: int
    kind: DeliveryKind
    state: DeliveryState
    event_id: UUID
    type: str
    sequence: int | None
    """None for a test."""
    body: str | None
    """None: the log has the event."""
    created_at: datetime
    attempts: int
    first_attempt_at: datetime | None
    last_attempt_at: datetime | None
    not_before: datetime
    request_headers: Json | None
    response_status: int | None
    response_headers: Json | None
    response_body: str | None
    duration_s: float | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt: the headers that were sent, and what came of it."""

    request_headers: dict[str, str]
    answer: HttpAnswer


_delivery: Final = row_reader(WebhookDelivery)


async def list_deliveries(
    connection: Connection, webhook_id: int, *, state: DeliveryState | None, limit: int, offset: int
) -> list[WebhookDelivery]:
    """Return some of the deliveries of a webhook, the newest first."""
    records = await fetch(connection, "list_deliveries", webhook_id=webhook_id, state=state, limit=limit, offset=offset)
    return [_delivery(record) for record in records]


async def count_deliveries(connection: Connection, webhook_id: int, *, state: DeliveryState | None, most: int) -> int:
    """Return how many deliveries a webhook has; *most* where there are more."""
    (row,) = await fetch(connection, "count_deliveries", webhook_id=webhook_id, state=state, most=most)
    return int(row["deliveries"])


async def find_delivery(connection: Connection, webhook_id: int, delivery_id: int) -> WebhookDelivery | None:
    """Return the delivery of a webhook with that id."""
    record = await fetch_row(connection, "find_delivery", webhook_id=webhook_id, id=delivery_id)
    return _delivery(record) if record else None


async def ask_for(
    connection: Connection,
    webhook_id: int,
    kind: DeliveryKind,
    *,
    event_id: UUID,
    topic: str,
    sequence: int | None,
    body: str | None,
) -> WebhookDelivery:
    """Add a delivery that a person asked for; it is due now, also where the webhook is disabled."""
    record = await fetch_row(
        connection,
        "ask_for_delivery",
        webhook_id=webhook_id,
        kind=kind,
        event_id=event_id,
        type=topic,
        sequence=sequence,
        body=body,
    )
    if record is None:
        raise LookupError("an INSERT returns its row")
    return _delivery(record)


async def due_deliveries(connection: Connection, webhook_id: int, *, limit: int) -> list[WebhookDelivery]:
    """Return the deliveries that are due, and the row of the event that holds an ordered webhook back."""
    return [
        _delivery(record) for record in await fetch(connection, "due_deliveries", webhook_id=webhook_id, limit=limit)
    ]


async def logged_body(connection: Connection, sequence: int) -> str | None:
    """Return the event of the log with that number; None when the log has it no more."""
    record = await fetch_row(connection, "logged_body", sequence=sequence)
    return None if record is None else str(record["body"])


async def note_failed_event(
    connection: Connection,
    webhook_id: int,
    attempt: Attempt,
    *,
    event_id: UUID,
    topic: str,
    sequence: int,
) -> WebhookDelivery:
    """Write down that an attempt failed, the first one or a further one."""
    record = await fetch_row(
        connection,
        "note_failed_event",
        webhook_id=webhook_id,
        event_id=event_id,
        type=topic,
        sequence=sequence,
        attempt=_written(attempt),
    )
    if record is None:
        raise LookupError("an INSERT returns its row")
    return _delivery(record)


async def put_off_delivery(connection: Connection, delivery_id: int, pause: timedelta) -> None:
    """Let a delivery wait until its next attempt."""
    await execute(connection, "put_off_delivery", id=delivery_id, pause=pause)


async def note_attempt(connection: Connection, delivery_id: int, state: DeliveryState, attempt: Attempt) -> None:
    """Write down an attempt of a delivery, and where that leaves it."""
    await execute(connection, "note_attempt", id=delivery_id, state=state, attempt=_written(attempt))


async def note_event_delivered(connection: Connection, webhook_id: int, sequence: int, answer: HttpAnswer) -> None:
    """Write down that an event, which failed before, was delivered in its turn."""
    written = _written(Attempt({}, answer))
    await execute(connection, "note_event_delivered", webhook_id=webhook_id, sequence=sequence, attempt=written)


async def end_delivery(connection: Connection, delivery_id: int, state: DeliveryState, *, error: str | None) -> None:
    """End a delivery without an attempt; *error*: why, None keeps that of the last attempt."""
    await execute(connection, "end_delivery", id=delivery_id, state=state, error=error)


async def prune(connection: Connection, *, limit: int) -> int:
    """Delete deliveries that ended more than seven days ago, with the answers of their receivers."""
    return await execute(connection, "prune_deliveries", older_than=_KEPT, limit=limit)


def _written(attempt: Attempt) -> str:
    """Return the columns of an attempt, as JSON."""
    answer = attempt.answer
    columns = {
        "request_headers": attempt.request_headers,
        "response_status": answer.status,
        "response_headers": dict(answer.headers),
        "response_body": answer.body,
        "duration_s": answer.duration_s,
        "error": answer.error,
    }
    return json.dumps(columns)
