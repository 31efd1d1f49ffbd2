"""Deletions whose `wake_at` has come are sent for again, and old records are pruned.

Their pause or grace is over, their lease lapsed, or their command was lost.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from schemas.names import Lane
from service.deletions import events as deletion_events
from service.deletions.deletion import Deletions
from service.deletions.locks import lock_waking
from service.events import outbox
from service.infra.postgres.database import Connection, execute, fetch
from service.infra.postgres.records import row_reader
from service.infra.postgres.repeating import repeated


@dataclass(frozen=True, slots=True)
class _OverdueDeletion:
    """A deletion that should have moved on by now."""

    id: UUID
    lane: Lane
    is_on_hold: bool
    was_attempted: bool


_read_overdue: Final = row_reader(_OverdueDeletion)


@repeated
async def wake(deletions: Deletions, *, limit: int) -> int:
    """Send for deletions that are due and that nobody has taken, each ever later; return how many were read."""
    async with deletions.database.transaction() as connection:
        if await outbox.is_behind(connection, deletions.resend):
            # The broker is away: its commands wait in the outbox already, and more of them would not help.
            return 0
        await lock_waking(connection)
        rows = await fetch(connection, "wake_deletions", resend=deletions.resend, limit=limit)
        free = [one for one in map(_read_overdue, rows) if not one.is_on_hold]
        messages = [
            message
            for lane in Lane
            for message in deletion_events.commands(
                lane, [one.id for one in free if one.lane is lane and not one.was_attempted]
            )
        ]
        # A deletion that was attempted before is carried out alone, whatever its lane.
        messages += [outbox.command(one.lane, [one.id]) for one in free if one.was_attempted]
        await outbox.append(connection, messages)
    return len(rows)


async def neglected(deletions: Deletions, lanes: Collection[Lane], *, limit: int) -> list[UUID]:
    """Return deletions whose claim lapsed, then due ones that were sent for more than once and nobody has taken.

    So neither correctness nor the time to a takeover depends on any queue.
    """
    async with deletions.database.connection() as connection:
        return [row["id"] for row in await fetch(connection, "neglected_deletions", lanes=list(lanes), limit=limit)]


async def prune(connection: Connection, *, older_than: timedelta, limit: int) -> int:
    """Remove at most *limit* records of deletions that ended longer ago than that; return how many."""
    return await execute(connection, "prune_deletions", older_than=older_than, limit=limit)
