"""The feed: the events of the log, read by number."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from schemas.names import PackageType
from service.access.roster import PlaceKey
from service.infra.postgres.database import Connection, Record, fetch
from service.refusals import FeedMovedOnError

MOST_READ: Final = 10_000
"""How many events one answer reads at most, whether it shows them or not."""


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """An event of the log."""

    sequence: int
    type: str
    """`<entity>.<action>`."""
    package_type: str | None
    place: PlaceKey
    """The project or the group that it is about; neither for an event about the instance."""
    body: str
    """The CloudEvent as JSON."""

    @property
    def project_id(self) -> int | None:
        """The project that it is about."""
        return self.place.project_id


@dataclass(frozen=True, slots=True)
class FeedBounds:
    """The numbers of the oldest event of the feed, which may be still to come, and of the newest."""

    oldest: int
    newest: int


@dataclass(frozen=True, slots=True)
class WantedEvents:
    """The events that a reader asks for; None means all."""

    types: frozenset[str] | None = None
    package_type: PackageType | None = None

    def has(self, event: FeedEvent) -> bool:
        """Return whether the event is one of them."""
        is_of_type = self.types is None or event.type in self.types
        return is_of_type and (self.package_type is None or event.package_type == self.package_type)


@dataclass(frozen=True, slots=True)
class FeedPart:
    """A part of the feed."""

    events: Sequence[FeedEvent]
    read_up_to: int
    """The number of the last event that was read, whether it is among the events or not."""


@dataclass(frozen=True, slots=True)
class FeedWindow:
    """The numbers that one reading covers from the newest to the oldest: behind *after*, up to *until*."""

    after: int
    until: int
    newest: int
    """The newest event of the feed when it was read."""
    is_last: bool
    """Whether the feed has nothing older."""


async def bounds(connection: Connection) -> FeedBounds:
    """Return where the feed begins and ends."""
    (row,) = await fetch(connection, "feed_bounds")
    return FeedBounds(row["oldest"], row["newest"])


async def reach(connection: Connection, after: int) -> int:
    """Return the number up to which one answer reads that begins behind *after*.

    Raises:
        FeedMovedOnError: the feed does not have the event behind *after*, so the reader would miss some.
    """
    found = await bounds(connection)
    if not found.oldest - 1 <= after <= found.newest:
        raise FeedMovedOnError(found.oldest, found.newest)
    return min(after + MOST_READ, found.newest)


async def window(connection: Connection, before: int | None, *, since: datetime | None) -> FeedWindow:
    """Return what one reading covers that goes back from the event *before*, or from the newest one.

    It is the last one where the events before it were recorded before *since*.
    """
    found = await bounds(connection)
    until = found.newest if before is None else max(found.oldest - 1, min(found.newest, before - 1))
    after = max(found.oldest - 1, until - MOST_READ)
    is_last = after < found.oldest
    if not is_last and since is not None:
        rows = await fetch(connection, "recorded_in_feed", sequence=after)
        is_last = not rows or rows[0]["recorded_at"] < since
    return FeedWindow(after, until, found.newest, is_last)


async def places(connection: Connection, after: int, until: int, wanted: WantedEvents) -> list[PlaceKey]:
    """Return the projects and groups that the wanted events behind *after*, up to *until*, are about."""
    rows = await fetch(
        connection,
        "places_in_feed",
        after=after,
        until=until,
        types=_list(wanted.types),
        package_type=wanted.package_type,
    )
    return [_place(row) for row in rows]


async def read(
    connection: Connection,
    after: int,
    until: int,
    wanted: WantedEvents,
    *,
    places: Collection[PlaceKey] | None,
    limit: int,
) -> FeedPart:
    """Return the wanted events behind *after*, up to *until*; *places*: None for all, also those about none."""
    rows = await fetch(
        connection,
        "read_feed",
        after=after,
        until=until,
        types=_list(wanted.types),
        package_type=wanted.package_type,
        project_ids=_ids(places, "project_id"),
        group_ids=_ids(places, "group_id"),
        limit=limit,
    )
    events = [_event(row) for row in rows]
    is_full = len(events) == limit
    return FeedPart(events, events[-1].sequence if is_full else max(after, until))


async def read_back(
    connection: Connection,
    found: FeedWindow,
    wanted: WantedEvents,
    *,
    since: datetime | None,
    places: Collection[PlaceKey] | None,
    limit: int,
) -> list[FeedEvent]:
    """Return the newest wanted events of a window, the newest first; the rest is as for `read`."""
    rows = await fetch(
        connection,
        "read_feed_back",
        after=found.after,
        until=found.until,
        types=_list(wanted.types),
        package_type=wanted.package_type,
        since=since,
        project_ids=_ids(places, "project_id"),
        group_ids=_ids(places, "group_id"),
        limit=limit,
    )
    return [_event(row) for row in rows]


def _event(row: Record) -> FeedEvent:
    return FeedEvent(row["sequence"], row["type"], row["package_type"], _place(row), row["body"])


def _place(row: Record) -> PlaceKey:
    return PlaceKey(row["project_id"], row["group_id"])


def _ids(places: Collection[PlaceKey] | None, part: Literal["project_id", "group_id"]) -> list[int] | None:
    return None if places is None else [getattr(each, part) for each in places if getattr(each, part) is not None]


def _list(types: frozenset[str] | None) -> list[str] | None:
    return None if types is None else sorted(types)
