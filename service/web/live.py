"""Deletions that open pages follow: one query a second for all of them together, in each process.

A page that follows needs no connection to the database of its own. A message is written once for all pages with the
same rights under the same address.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import structlog
from aiohttp import web

from service.concurrency import repeat
from service.deletions.viewing import views
from service.deletions.viewing.views import DeletionDetails
from service.infra.postgres.database import Database, DatabaseUnavailableError
from service.observing.liveness import Vitals
from service.refusals import OutageError
from service.web.deletions import Rights

MOST_STREAMS: Final = 2_000
"""Pages that one process lets follow at the same time; others stay as they were loaded."""

_PERIOD_S: Final = 1.0
_GRANTED_FOR_S: Final = 10.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LiveMessage:
    """A server-sent event, as it goes over the wire."""

    text: bytes
    is_last: bool
    """Whether nothing follows it, since the deletion is over."""


@dataclass(frozen=True, slots=True)
class LiveReader:
    """The things on which a message depends, beside the deletion."""

    rights: Rights
    root: str
    """The path under which a proxy serves the pages."""


@dataclass(eq=False, slots=True)
class LiveState:
    """A deletion at one moment, with the messages that were written of it."""

    details: DeletionDetails
    _messages: dict[LiveReader, LiveMessage] = field(default_factory=dict)

    def message(self, reader: LiveReader, write: Callable[[DeletionDetails], LiveMessage]) -> LiveMessage:
        """Return the message for such readers; it is written once."""
        if reader not in self._messages:
            self._messages[reader] = write(self.details)
        return self._messages[reader]


class Following:
    """One open page: what is new for it, and nothing that was overtaken."""

    def __init__(self) -> None:
        """Begin without news."""
        self._news: asyncio.Queue[LiveState | None] = asyncio.Queue(maxsize=1)

    def put(self, snapshot: LiveState | None) -> None:
        """Let this be the news; None ends the stream."""
        with suppress(asyncio.QueueEmpty):
            self._news.get_nowait()
        self._news.put_nowait(snapshot)

    async def next(self) -> LiveState | None:
        """Return the news as soon as there are any."""
        return await self._news.get()


class LiveDeletions:
    """All deletions that pages of this process follow."""

    def __init__(self, database: Database, vitals: Vitals) -> None:
        """Ask this database while somebody follows; end all streams when the process stops."""
        self._database = database
        self._vitals = vitals
        self._followed: defaultdict[UUID, set[Following]] = defaultdict(set)
        self._last: dict[UUID, LiveState] = {}
        self._grants: dict[tuple[str, str], tuple[float, Rights | None]] = {}

    @property
    def streams(self) -> int:
        """How many pages follow."""
        return sum(map(len, self._followed.values()))

    @asynccontextmanager
    async def follow(self, deletion_id: UUID) -> AsyncGenerator[Following]:
        """Give the news of a deletion, beginning with how it is.

        Raises:
            OutageError: too many pages follow already.
        """
        if self.streams >= MOST_STREAMS or self._vitals.is_stopping:
            raise OutageError
        following = Following()
        if deletion_id in self._last:
            following.put(self._last[deletion_id])
        self._followed[deletion_id].add(following)
        try:
            yield following
        finally:
            self._followed[deletion_id].discard(following)
            if not self._followed[deletion_id]:
                del self._followed[deletion_id]
                self._last.pop(deletion_id, None)

    def granted(self, reader: tuple[str, str]) -> tuple[bool, Rights | None]:
        """Return whether the rights of a reader (cookie, path of the project) are known for now, and which they are."""
        until, rights = self._grants.get(reader, (0.0, None))
        return time.monotonic() < until, rights

    def grant(self, reader: tuple[str, str], rights: Rights | None) -> None:
        """Note the rights of a reader (None: none at all); they count for some seconds."""
        now = time.monotonic()
        if len(self._grants) > MOST_STREAMS:
            self._grants = {key: found for key, found in self._grants.items() if found[0] > now}
        self._grants[reader] = (now + _GRANTED_FOR_S, rights)

    async def keep_asking(self) -> None:
        """Hand on what is new, once a second, until this is cancelled."""
        await repeat(self._hand_on_news, every_s=_PERIOD_S, name="live pages")

    async def _hand_on_news(self) -> None:
        if self._vitals.is_stopping:
            self._end_all()
        elif self._followed:
            await self._ask()

    async def _ask(self) -> None:
        try:
            async with self._database.connection() as connection:
                found = await views.find_all(connection, list(self._followed))
        except DatabaseUnavailableError as error:
            log.warning("live_pages_wait", streams=self.streams, reason=repr(error))
            return
        for details in found:
            last = self._last.get(details.deletion.id)
            if last is None or last.details != details:
                self._hand_on(details.deletion.id, LiveState(details))

    def _hand_on(self, deletion_id: UUID, snapshot: LiveState) -> None:
        followers = self._followed.get(deletion_id)
        if followers:
            self._last[deletion_id] = snapshot
            for following in followers:
                following.put(snapshot)

    def _end_all(self) -> None:
        for followers in self._followed.values():
            for following in followers:
                following.put(None)


def live_deletions(database: Database, vitals: Vitals) -> Callable[[web.Application], AsyncGenerator[None]]:
    """Return what lets an application ask for the followed deletions as long as it runs."""

    async def keep(app: web.Application) -> AsyncGenerator[None]:
        app[LIVE] = LiveDeletions(database, vitals)
        asking = asyncio.create_task(app[LIVE].keep_asking())
        yield
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking

    return keep


LIVE: Final = web.AppKey("live", LiveDeletions)
"""The deletions that pages of this process follow."""
