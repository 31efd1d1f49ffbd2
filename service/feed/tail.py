"""The end of the feed, followed once for everybody who waits in this process."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

from service.concurrency import repeat
from service.feed import log as feed
from service.feed.log import FeedEvent, WantedEvents
from service.infra.postgres.database import Database, DatabaseUnavailableError

_KEPT: Final = 500
"""How many of the newest events are kept in memory; a reader that is further behind reads the database."""
_POLL_S: Final = 5.0
"""How often the log is read when no notification comes."""
_PAUSE_S: Final = 1.0
_LINGER_S: Final = 60.0
"""How long the log is followed after the last reader has left."""

log = structlog.get_logger()


class FeedTail:
    """Knows the newest events while somebody waits for them; waiting costs no connection to the database."""

    def __init__(self, database: Database) -> None:
        """Begin when the first reader comes."""
        self._database = database
        self._recent: deque[FeedEvent] = deque(maxlen=_KEPT)
        self._known_after = 0
        """Everything with a greater number is in memory."""
        self._newest = -1
        self._news = asyncio.Event()
        self._readers = 0
        self._following: asyncio.Task[None] | None = None
        self._end: asyncio.TimerHandle | None = None
        self._is_over = False

    @property
    def is_over(self) -> bool:
        """Whether the process is about to end, and every reader should."""
        return self._is_over

    @asynccontextmanager
    async def followed(self) -> AsyncGenerator[None]:
        """Follow the log at least as long as the block runs."""
        self._readers += 1
        if self._end is not None:
            self._end.cancel()
            self._end = None
        if self._following is None:
            self._following = asyncio.create_task(repeat(self._follow, every_s=_PAUSE_S, name="feed"))
        try:
            yield
        finally:
            self._readers -= 1
            if not self._readers:
                self._end = asyncio.get_running_loop().call_later(_LINGER_S, self._leave)

    def recent(self, after: int) -> Sequence[FeedEvent] | None:
        """Return all events behind *after*; None where memory does not reach that far back."""
        if self._newest < 0 or after < self._known_after:
            return None
        found: list[FeedEvent] = []
        for event in reversed(self._recent):
            if event.sequence <= after:
                break
            found.append(event)
        return found[::-1]

    async def wait(self, after: int, *, within: float) -> None:
        """Return when there may be an event behind *after*, when the process is about to end, or after that time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not self._is_over and self._newest <= after:
                    await self._news.wait()

    def end(self) -> None:
        """Let every reader end."""
        self._is_over = True
        self._tell()

    async def close(self) -> None:
        """Follow no more."""
        self.end()
        if self._end is not None:
            self._end.cancel()
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})

    def _leave(self) -> None:
        if self._following is not None:
            self._following.cancel()
        self._following, self._end, self._newest = None, None, -1
        self._recent.clear()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _follow(self) -> None:
        """Follow the log until the database goes away."""
        try:
            async with self._database.listen("packyard_events") as listening:
                while True:
                    listening.heard.clear()
                    await self._read_on()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_POLL_S):
                            await listening.heard.wait()
        except DatabaseUnavailableError as error:
            log.warning("feed_interrupted", reason=str(error))

    async def _read_on(self) -> None:
        async with self._database.connection() as connection:
            newest = (await feed.bounds(connection)).newest
            if newest == self._newest:
                return
            begin = self._newest
            if not newest - _KEPT <= begin <= newest:
                # The first reading, or more than memory holds: begin at the end.
                self._recent.clear()
                begin = self._known_after = newest
            part = await feed.read(connection, begin, newest, WantedEvents(), places=None, limit=_KEPT)
        self._recent.extend(part.events)
        if len(self._recent) == _KEPT:
            self._known_after = self._recent[0].sequence - 1
        self._newest = newest
        self._tell()
