"""The outbox: messages written in the transaction of the fact that they report.

Commands are published from here. Events only pass through: the numbering moves them to the log.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from schemas.messages.cloud_events import enveloped
from schemas.messages.commands import Delete
from schemas.messages.event import Event
from schemas.messages.outgoing import Entry, Kind, Outgoing
from schemas.names import Lane
from service.ids import new_id
from service.infra.postgres.database import Connection, execute, fetch

_UNPUBLISHED: Final = {Kind.COMMAND: "unpublished_commands", Kind.EVENT: "number_events"}


def command(lane: Lane, deletion_ids: Sequence[UUID]) -> Outgoing:
    """Make the order to carry out these deletions."""
    return Outgoing(new_id(), Kind.COMMAND, lane.routing_key, Delete(deletion_ids=tuple(deletion_ids)))


def event(fact: Event, *, causation_id: UUID | None = None, event_id: UUID | None = None) -> Outgoing:
    """Make the message that reports *fact*; an event without a *causation_id* is its own cause."""
    own_id = event_id or new_id()
    envelope = enveloped(fact, event_id=own_id, causation_id=causation_id or own_id, now=datetime.now(UTC))
    return Outgoing(envelope.id, Kind.EVENT, fact.routing_key(), envelope)


async def append(connection: Connection, messages: Sequence[Outgoing]) -> None:
    """Write *messages* in the caller's transaction, in their order."""
    if messages:
        await execute(
            connection,
            "append_to_outbox",
            ids=[message.id for message in messages],
            kinds=[message.kind for message in messages],
            routing_keys=[message.routing_key for message in messages],
            bodies=[message.body.model_dump_json() for message in messages],
        )


async def unpublished_commands(connection: Connection, limit: int) -> list[Entry]:
    """Return the oldest commands that are to be published."""
    return [
        Entry(row["position"], row["id"], row["routing_key"], row["body"])
        for row in await fetch(connection, "unpublished_commands", limit=limit)
    ]


async def mark_published(connection: Connection, positions: Sequence[int]) -> None:
    """Note that the broker has these commands, or does not take them."""
    await execute(connection, "mark_published", positions=list(positions))


async def is_behind(connection: Connection, limit: timedelta) -> bool:
    """Return whether some command has waited for the relay longer than *limit*."""
    return bool(await fetch(connection, "outbox_is_behind", limit=limit))


async def prune(connection: Connection, *, older_than: timedelta, limit: int) -> int:
    """Remove messages that were published longer ago than that; return how many."""
    return await execute(connection, "prune_outbox", older_than=older_than, limit=limit)
