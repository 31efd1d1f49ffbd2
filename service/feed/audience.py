"""The reader of a feed: which events it sees, by its rights of now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic_core import from_json, to_json

from schemas.names import AccessLevel
from service.access import access
from service.access.callers import Caller
from service.feed import log
from service.feed.log import FeedEvent, FeedPart, WantedEvents
from service.infra.postgres.database import Connection

_WITH_ERROR: Final = frozenset({"package.destruction_failed", "package_file.destruction_failed"})


@dataclass(frozen=True, slots=True)
class FeedPage:
    """The newest events before some number, the newest first."""

    events: Sequence[FeedEvent]
    newest: int
    """The number of the newest event of the feed, whether it is among the events or not."""
    before: int | None
    """The number before which older events are; None at the end."""


class Audience:
    """One caller in a project, in a group, or everywhere. Rights are as they were when it was made."""

    def __init__(
        self,
        caller: Caller,
        *,
        levels: dict[int, AccessLevel | None] | None = None,
        group_id: int | None = None,
        sees_all: bool = False,
    ) -> None:
        """Know the *levels* in projects, None for one that is hidden; the others below the group are learned.

        *sees_all*: every event, also one that is about no project.
        """
        self._caller = caller
        self._levels = levels if levels is not None else {}
        self._is_complete = levels is not None
        self._group_id = group_id
        self._sees_all = sees_all

    def unknown(self, events: Iterable[FeedEvent]) -> set[int]:
        """Return the projects of *events* that have to be learned before these are shown."""
        if self._sees_all or self._is_complete:
            return set()
        return {event.project_id for event in events if event.project_id is not None} - self._levels.keys()

    async def learn(self, connection: Connection, project_ids: Iterable[int]) -> None:
        """Find out the caller's level in these projects."""
        ids = set(project_ids) - self._levels.keys()
        if ids and not self._is_complete:
            found = await access.levels_among(connection, self._caller, ids, group_id=self._group_id)
            self._levels |= {each: found.get(each) for each in ids}

    async def read(
        self, connection: Connection, after: int, until: int, wanted: WantedEvents, *, limit: int
    ) -> FeedPart:
        """Return the next wanted events that the caller sees."""
        readable = await self._readable(connection, after, until, wanted)
        return await log.read(connection, after, until, wanted, project_ids=readable, limit=limit)

    async def read_back(
        self, connection: Connection, before: int | None, wanted: WantedEvents, *, since: datetime | None, limit: int
    ) -> FeedPage:
        """Return the newest wanted events that the caller sees before that number, or of all, recorded since then."""
        found = await log.window(connection, before, since=since)
        readable = await self._readable(connection, found.after, found.until, wanted)
        events = await log.read_back(connection, found, wanted, since=since, project_ids=readable, limit=limit)
        if len(events) == limit:
            return FeedPage(events, found.newest, events[-1].sequence)
        return FeedPage(events, found.newest, None if found.is_last else found.after + 1)

    async def _readable(self, connection: Connection, after: int, until: int, wanted: WantedEvents) -> list[int] | None:
        """Return the projects whose events the caller sees in that range; None for all events."""
        if self._sees_all:
            return None
        if not self._is_complete:
            await self.learn(connection, await log.projects(connection, after, until, wanted))
        return [each for each, level in self._levels.items() if level is not None]

    def sees(self, event: FeedEvent) -> bool:
        """Return whether the caller sees the event; its project has to be known."""
        if self._sees_all:
            return True
        return event.project_id is not None and self._levels.get(event.project_id) is not None

    def shown(self, event: FeedEvent) -> str:
        """Return the CloudEvent as the caller gets it: without the text of an error below the level of maintainers.

        The text comes from the store, and may name folders, hosts and buckets.
        """
        level = AccessLevel.ADMIN if self._sees_all else self._levels.get(event.project_id or 0)
        if event.type not in _WITH_ERROR or (level or AccessLevel.NONE) >= AccessLevel.MAINTAINER:
            return event.body
        body = from_json(event.body)
        body["data"].pop("error", None)
        return to_json(body).decode()
