"""The reader of a feed: which events it sees, by its rights of now."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic_core import from_json, to_json

from schemas.names import AccessLevel
from service.access import access
from service.access.callers import Caller
from service.access.roster import PlaceKey
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

        *sees_all*: every event, also one that is about the instance.
        """
        self._caller = caller
        self._levels = {PlaceKey(project_id=each): level for each, level in (levels or {}).items()}
        self._is_complete = levels is not None
        self._group_id = group_id
        self._sees_all = sees_all

    def unknown(self, events: Iterable[FeedEvent]) -> set[PlaceKey]:
        """Return the projects and groups of *events* that have to be learned before these are shown."""
        if self._sees_all or self._is_complete:
            return set()
        return {event.place for event in events} - self._levels.keys()

    async def learn(self, connection: Connection, places: Iterable[PlaceKey]) -> None:
        """Find out the caller's level in these projects and groups.

        Events of a group are for those who may publish in it, as its quotas are.
        """
        unknown = set(places) - self._levels.keys()
        if not unknown or self._is_complete:
            return
        projects = [each.project_id for each in unknown if each.project_id is not None]
        groups = [each.group_id for each in unknown if each.group_id is not None]
        found: dict[PlaceKey, AccessLevel] = {}
        if projects:
            levels = await access.levels_among(connection, self._caller, projects, group_id=self._group_id)
            found |= {PlaceKey(project_id=each): level for each, level in levels.items()}
        if groups:
            levels = await access.levels_in_groups(connection, self._caller, groups, group_id=self._group_id)
            found |= {PlaceKey(group_id=each): level for each, level in levels.items()}
        self._levels |= {each: found.get(each) for each in unknown}

    async def read(
        self, connection: Connection, after: int, until: int, wanted: WantedEvents, *, limit: int
    ) -> FeedPart:
        """Return the next wanted events that the caller sees."""
        readable = await self._readable(connection, after, until, wanted)
        return await log.read(connection, after, until, wanted, places=readable, limit=limit)

    async def read_back(
        self, connection: Connection, before: int | None, wanted: WantedEvents, *, since: datetime | None, limit: int
    ) -> FeedPage:
        """Return the newest wanted events that the caller sees before that number, or of all, recorded since then."""
        found = await log.window(connection, before, since=since)
        readable = await self._readable(connection, found.after, found.until, wanted)
        events = await log.read_back(connection, found, wanted, since=since, places=readable, limit=limit)
        if len(events) == limit:
            return FeedPage(events, found.newest, events[-1].sequence)
        return FeedPage(events, found.newest, None if found.is_last else found.after + 1)

    async def _readable(
        self, connection: Connection, after: int, until: int, wanted: WantedEvents
    ) -> list[PlaceKey] | None:
        """Return the projects and groups whose events the caller sees in that range; None for all events."""
        if self._sees_all:
            return None
        if not self._is_complete:
            await self.learn(connection, await log.places(connection, after, until, wanted))
        return [each for each, level in self._levels.items() if level is not None]

    def sees(self, event: FeedEvent) -> bool:
        """Return whether the caller sees the event; its place has to be known."""
        return self._sees_all or self._levels.get(event.place) is not None

    def shown(self, event: FeedEvent) -> str:
        """Return the CloudEvent as the caller gets it: without the text of an error below the level of maintainers.

        The text comes from the store, and may name folders, hosts and buckets.
        """
        level = AccessLevel.ADMIN if self._sees_all else self._levels.get(event.place)
        if event.type not in _WITH_ERROR or (level or AccessLevel.NONE) >= AccessLevel.MAINTAINER:
            return event.body
        body = from_json(event.body)
        body["data"].pop("error", None)
        return to_json(body).decode()
