"""Events of the log once more, for one subscriber."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Final

from schemas.messages.outgoing import LoggedEvent
from service.feed import log
from service.infra.postgres.database import Connection, Database, fetch
from service.infra.postgres.records import row_reader
from service.refusals import FeedMovedOnError

_BATCH: Final = 500

_event: Final = row_reader(LoggedEvent)


async def number_before(connection: Connection, since: datetime) -> int:
    """Return the number behind which the events begin that were recorded at *since* or later."""
    (row,) = await fetch(connection, "begin_of_replay", since=since)
    after: int = row["after"]
    return after


async def replayed(database: Database, after: int) -> AsyncGenerator[list[LoggedEvent]]:
    """Give the events behind *after* in batches, up to the newest one of now.

    Raises:
        FeedMovedOnError: the log does not have the first of them any more.
    """
    async with database.connection() as connection:
        found = await log.bounds(connection)
    if not found.oldest - 1 <= after <= found.newest:
        raise FeedMovedOnError(found.oldest, found.newest)
    while after < found.newest:
        async with database.connection() as connection:
            rows = await fetch(connection, "events_to_replay", after=after, until=found.newest, limit=_BATCH)
        if not rows:
            return
        yield [_event(row) for row in rows]
        after = rows[-1]["sequence"]
