"""The partitions of the log: each has the events of one day (UTC) and is dropped as a whole."""

from datetime import timedelta
from typing import Final

from service.infra.postgres.database import Connection, fetch_row

_AHEAD: Final = 3
"""How many days are prepared, so that a relay that could not do so for a day still numbers."""


async def prepare(connection: Connection) -> None:
    """Make the partitions of today and of the next days that are not there yet."""
    await fetch_row(connection, "make_days", ahead=_AHEAD)


async def drop(connection: Connection, *, retention: timedelta) -> int:
    """Drop the days that ended longer ago than *retention* and are all published; return how many."""
    row = await fetch_row(connection, "drop_days", retention=retention)
    return row["dropped"] if row else 0
