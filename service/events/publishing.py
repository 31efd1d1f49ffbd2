"""The events of the log that are still to be published: those after a cursor, and those that the broker refused."""

from collections.abc import Sequence

from schemas.messages.outgoing import LoggedEvent
from service.infra.postgres.database import Connection, Record, execute, fetch


async def unpublished(connection: Connection, *, limit: int) -> list[LoggedEvent]:
    """Return the next *limit* events after the cursor, in the order of their numbers."""
    return [_event(row) for row in await fetch(connection, "unpublished_events", limit=limit)]


async def advance(connection: Connection, published: int, *, refused: Sequence[int]) -> None:
    """Move the cursor to the number *published*; the *refused* ones among them are repeated later, by themselves."""
    await execute(connection, "advance_published", refused=list(refused), published=published)


async def refused(connection: Connection, *, limit: int) -> list[LoggedEvent]:
    """Return *limit* of the refused events whose pause is over, the oldest first."""
    return [_event(row) for row in await fetch(connection, "refused_events", limit=limit)]


async def settle(connection: Connection, confirmed: Sequence[int], *, refused_again: Sequence[int]) -> None:
    """Forget the refused events that are *confirmed* now; the others get a longer pause."""
    if confirmed:
        await execute(connection, "forget_refused", sequences=list(confirmed))
    if refused_again:
        await execute(connection, "put_off", sequences=list(refused_again))


def _event(row: Record) -> LoggedEvent:
    return LoggedEvent(row["sequence"], row["routing_key"], row["headers"], row["body"])
