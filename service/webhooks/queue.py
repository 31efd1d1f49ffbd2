"""The deliverer's side of webhooks: which are due, who works on each, and how far it came."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from schemas.messages.cloud_events import HEADER_NAMES
from service.events import outbox
from service.infra.postgres.database import Connection, execute, fetch, fetch_row
from service.infra.postgres.records import row_reader
from service.webhooks.events import WebhookEvent
from service.webhooks.rows import Webhook

SCANNED: Final = 10_000
"""How many events of the log one statement reads at most."""
_ID_PLACE: Final = HEADER_NAMES.index("id") + 1


@dataclass(frozen=True, slots=True)
class QueuedEvent:
    """An event for a webhook."""

    sequence: int
    event_id: UUID
    type: str
    body: str


@dataclass(frozen=True, slots=True)
class QueuedEvents:
    """The next events for a webhook."""

    events: Sequence[QueuedEvent]
    read_up_to: int
    """Nothing up to this number is for it, besides those events."""


_webhook: Final = row_reader(Webhook)
_event: Final = row_reader(QueuedEvent)


async def scan(connection: Connection) -> int:
    """Note new events of the log at the webhooks that want them; return how many events were read.

    Another process that scans at the same time is not waited for.
    """
    row = await fetch_row(connection, "scan_events", limit=SCANNED)
    return int(row["events"]) if row else 0


async def claim(
    connection: Connection, *, token: UUID, lease: timedelta, limit: int, most_failing: int
) -> list[Webhook]:
    """Claim at most *limit* webhooks for which something is due, and of those that fail at most *most_failing*."""
    records = await fetch(
        connection, "claim_webhooks", token=token, lease=lease, limit=limit, most_failing=most_failing
    )
    return [_webhook(record) for record in records]


async def next_events(connection: Connection, webhook: Webhook, after: int, until: int, *, limit: int) -> QueuedEvents:
    """Return the next events behind *after*, up to *until*, by the rights and the place of its projects now."""
    end = min(after + SCANNED, until)
    records = await fetch(
        connection,
        "webhook_events",
        after=after,
        until=end,
        project_id=webhook.project_id,
        group_id=webhook.group_id,
        types=None if webhook.types is None else list(webhook.types),
        id_place=_ID_PLACE,
        limit=limit,
    )
    events = [_event(record) for record in records]
    return QueuedEvents(events, events[-1].sequence if len(events) == limit else end)


async def note_progress(
    connection: Connection, webhook: Webhook, position: int, *, lease: timedelta, has_delivered: bool
) -> int | None:
    """Write down how far it came and keep the claim; return the newest number wanted, None when the claim is lost.

    A delivery ends a time of failures.
    """
    row = await fetch_row(
        connection,
        "note_progress",
        id=webhook.id,
        token=webhook.lease_token,
        position=position,
        lease=lease,
        has_delivered=has_delivered,
    )
    return None if row is None else int(row["wanted"])


async def note_failure(connection: Connection, webhook: Webhook, *, pause: timedelta | None) -> Webhook | None:
    """Count a failure and put the webhook off for *pause*, if any; return it, or None when the claim is lost."""
    row = await fetch_row(
        connection, "note_webhook_failure", id=webhook.id, token=webhook.lease_token, pause=pause or timedelta(0)
    )
    return _webhook(row) if row else None


async def put_off(connection: Connection, webhook: Webhook, pause: timedelta) -> None:
    """Send it no event of the log for that long."""
    await execute(connection, "put_off_webhook", id=webhook.id, pause=pause)


async def disable(connection: Connection, webhook: Webhook, reason: str) -> None:
    """Send it nothing more, but what a person asks for."""
    await execute(connection, "disable_webhook", id=webhook.id, reason=reason)


async def enable(connection: Connection, webhook: Webhook) -> None:
    """Continue where it was."""
    await execute(connection, "enable_webhook", id=webhook.id)


async def release(connection: Connection, webhook: Webhook) -> None:
    """Give up the claim, and say when something is due next. Call it in a transaction."""
    # The lock first: the second statement then sees all that was added by those who waited for none.
    locked = await fetch_row(connection, "lock_claimed_webhook", id=webhook.id, token=webhook.lease_token)
    if locked is not None:
        await execute(connection, "release_webhook", id=webhook.id)


async def report(connection: Connection, fact: WebhookEvent) -> None:
    """Write an event about a webhook in the caller's transaction."""
    await outbox.append(connection, [outbox.event(fact)])
