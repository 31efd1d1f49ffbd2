"""Holds: what keeps everything below a project or group from being deleted."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from service.infra.postgres.database import Connection, Record, execute, fetch, fetch_row


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


async def put(connection: Connection, place: Place, reference: str, *, reason: str | None) -> Hold | None:
    """Put the project or group with that number or path on hold, or lift the hold; None when there is none such."""
    row = await fetch_row(connection, _PUT[place], reference=reference, reason=reason)
    return None if row is None else Hold(place, row["id"], row["path"], row["deletion_hold"])


async def wake_released(connection: Connection) -> int:
    """Let the scheduler send for what waited for the end of a hold that is lifted; return how many."""
    await execute(connection, "lock_waking")
    return await execute(connection, "wake_released")


async def list_all(connection: Connection, *, limit: int) -> list[Hold]:
    """Return the holds that there are, by path."""
    rows = await fetch(connection, "list_holds", limit=limit)
    return [Hold(Place(row["kind"]), row["id"], row["path"], row["deletion_hold"]) for row in rows]


async def count_below(connection: Connection, hold: Hold) -> Record:
    """Count the deletions below: `waiting`, and of them what no hold stops (`released`) or is still `under_way`."""
    (row,) = await fetch(connection, "count_under_hold", project_id=hold.project_id, group_id=hold.group_id)
    return row


async def nearest(connection: Connection, hold: Hold) -> str | None:
    """Return why nothing of the project or group may be deleted: its own hold's reason, or of one around it."""
    (row,) = await fetch(connection, "nearest_hold", project_id=hold.project_id, group_id=hold.group_id)
    reason: str | None = row["hold"]
    return reason
