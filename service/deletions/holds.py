"""Holds: keeping everything below a project or group from being deleted, for as long as it takes."""

from dataclasses import dataclass

from service.deletions.rows import holds as hold_rows
from service.deletions.rows.holds import Hold, Place
from service.infra.postgres.database import Sessions
from service.infra.postgres.repeating import repeated
from service.refusals import NotFoundError


@dataclass(frozen=True, slots=True)
class HoldReport:
    """A hold as it is now, and what waits below it."""

    hold: Hold
    waiting: int
    """Deletions below that have not ended."""
    released: int
    """Those of them that no hold stops."""
    under_way: int
    """Those of them whose workers are still to finish a chunk."""
    nearest: str | None
    """Why nothing there may be deleted now: the reason of this hold, or else of the nearest one around."""


@repeated
async def put_on_hold(database: Sessions, place: Place, reference: str, *, reason: str | None) -> HoldReport:
    """Put the project or group with that number or path on hold; without a *reason*, lift the hold.

    No chunk begins any more once this is done, but one that is under way is finished.

    Raises:
        NotFoundError: there is none such.
    """
    async with database.transaction() as connection:
        hold = await hold_rows.put(connection, place, reference, reason=reason)
        if hold is None:
            raise NotFoundError
        if reason is None:
            await hold_rows.wake_released(connection)
    # This is read only now: until the hold was committed, another worker could claim a deletion and begin a chunk.
    async with database.connection() as connection:
        counts = await hold_rows.count_below(connection, hold)
        nearest = await hold_rows.nearest(connection, hold)
    return HoldReport(
        hold,
        waiting=counts["waiting"],
        released=counts["released"],
        under_way=counts["under_way"],
        nearest=nearest,
    )


async def list_holds(database: Sessions, *, limit: int) -> list[Hold]:
    """Return at most *limit* holds, by path."""
    async with database.connection() as connection:
        return await hold_rows.list_all(connection, limit=limit)
