"""Holds: keeping everything below a project or group from being deleted, for as long as it takes."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from service.deletions.locks import lock_waking
from service.infra.postgres.database import Connection, Sessions, execute, fetch, fetch_row
from service.infra.postgres.records import row_reader
from service.infra.postgres.repeating import repeated
from service.refusals import NotFoundError


class Place(StrEnum):
    """The kinds of place that can be on hold."""

    PROJECT = "project"
    GROUP = "group"


_PUT: Final = {Place.PROJECT: "put_project_on_hold", Place.GROUP: "put_group_on_hold"}


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold on a project or group; one without a reason is lifted."""

    place: Place
    id: int
    path: str
    reason: str | None

    @property
    def project_id(self) -> int | None:
        """The id, if the place is a project."""
        return self.id if self.place is Place.PROJECT else None

    @property
    def group_id(self) -> int | None:
        """The id, if the place is a group."""
        return self.id if self.place is Place.GROUP else None


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many deletions wait below a project or group."""

    waiting: int
    """Deletions below that have not ended."""
    released: int
    """Those of them that no hold stops."""
    under_way: int
    """Those of them whose workers are still to finish a chunk."""


_read_hold: Final = row_reader(Hold)
_read_waiting: Final = row_reader(Waiting)


@dataclass(frozen=True, slots=True)
class HoldReport:
    """A hold as it is now, and what waits below it."""

    hold: Hold
    below: Waiting
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
        row = await fetch_row(connection, _PUT[place], reference=reference, reason=reason)
        if row is None:
            raise NotFoundError
        hold = _read_hold(row)
        if reason is None:
            await wake_released(connection)
    # This is read only now: until the hold was committed, another worker could claim a deletion and begin a chunk.
    async with database.connection() as connection:
        (below,) = await fetch(connection, "count_under_hold", project_id=hold.project_id, group_id=hold.group_id)
        nearest = await nearest_hold(connection, project_id=hold.project_id, group_id=hold.group_id)
    return HoldReport(hold, _read_waiting(below), nearest)


async def nearest_hold(
    connection: Connection, *, project_id: int | None = None, group_id: int | None = None
) -> str | None:
    """Return why nothing in a project or group may be deleted now; None if no hold is on it or a group around it."""
    (row,) = await fetch(connection, "nearest_hold", project_id=project_id, group_id=group_id)
    reason: str | None = row["hold"]
    return reason


async def list_holds(database: Sessions, *, limit: int) -> list[Hold]:
    """Return at most *limit* holds, by path."""
    async with database.connection() as connection:
        return [_read_hold(row) for row in await fetch(connection, "list_holds", limit=limit)]


async def wake_released(connection: Connection) -> int:
    """Let the scheduler send for what waited for the end of a hold that is lifted; return how many."""
    await lock_waking(connection)
    return await execute(connection, "wake_released")
