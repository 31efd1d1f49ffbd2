"""Ids: those that somebody chose, and new ones beside them."""

from collections.abc import Sequence

from service.infra.postgres.database import Connection, execute, fetch


async def complete_ids(connection: Connection, table: str, ids: Sequence[int | None]) -> list[int]:
    """Return *ids* of the *table* with a new one, ascending, in each empty place.

    New ids stay clear of the chosen ones, now and later.
    """
    highest = max((number for number in ids if number is not None), default=0)
    if highest:
        await execute(connection, "advance_ids", table_name=table, highest=highest)
    missing = sum(number is None for number in ids)
    rows = await fetch(connection, "allocate_ids", table_name=table, count=missing) if missing else []
    fresh = iter(row["id"] for row in rows)
    return [next(fresh) if number is None else number for number in ids]
