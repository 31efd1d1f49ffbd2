"""Events as they come: server-sent events, each with its number, until the client or the process ends."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, TypeAlias

from aiohttp import hdrs, web

from schemas.messages.cloud_events import SEQUENCE_DIGITS
from service.feed import log as feed
from service.feed.audience import Audience
from service.feed.log import FeedEvent, WantedEvents
from service.feed.tail import FeedTail
from service.http.keys import CONTEXT
from service.infra.postgres.database import Database
from service.refusals import BadParametersError, RefusedError, TooManyRequestsError

TAIL: Final = web.AppKey("tail", FeedTail)
"""The end of the feed, which all requests that wait share."""
Shown: TypeAlias = Sequence[tuple[FeedEvent, str]]
"""Events, each with the CloudEvent as the reader gets it."""

_WAITING: Final = web.AppKey("waiting", Counter)
_MOST_WAITING: Final = 20
"""How many requests of one caller may wait or stream at the same time, in one process."""
_BUSY_S: Final = 10
_BATCH: Final = 100
"""How many events are read, and sent, together."""
_RIGHTS_FOR_S: Final = 8.0
"""How long rights are taken to hold. They are then read anew, so a change shows within 10 s."""
_SENT_WITHIN_S: Final = 60.0
"""How long a client may take to read what was sent; a slower one has to connect again."""
_HEADERS: Final = {"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}


def follow_feed(app: web.Application) -> None:
    """Let the application follow the log while requests wait for events."""
    app[TAIL] = FeedTail(app[CONTEXT].database)
    app[_WAITING] = Counter()
    app.cleanup_ctx.append(_close_tail)


async def _close_tail(app: web.Application) -> AsyncGenerator[None]:
    yield
    await app[TAIL].close()


@contextmanager
def one_more_waits(request: web.Request, owner: str) -> Iterator[None]:
    """Count the request among those of *owner* that wait.

    Raises:
        TooManyRequestsError: there are too many.
    """
    waiting = request.app[_WAITING]
    if waiting[owner] >= _MOST_WAITING:
        raise TooManyRequestsError(_BUSY_S)
    waiting[owner] += 1
    try:
        yield
    finally:
        waiting[owner] -= 1
        if not waiting[owner]:
            del waiting[owner]


def last_event_id(request: web.Request) -> int | None:
    """Return the number of the last event that a client has which connects again.

    Raises:
        BadParametersError: the header field is no number; a stream from now would hide that events are missing.
    """
    last = request.headers.get("Last-Event-ID", "")
    if not last:
        return None
    if not (last.isascii() and last.isdigit() and len(last) <= SEQUENCE_DIGITS):
        raise BadParametersError(f"Last-Event-ID is invalid: it should be a number of at most {SEQUENCE_DIGITS} digits")
    return int(last)


class EventStream:
    """The events behind a number, for one client."""

    def __init__(
        self,
        request: web.Request,
        wanted: WantedEvents,
        visit: Callable[[], Awaitable[Audience]],
        messages: Callable[[Shown], Awaitable[str]],
    ) -> None:
        """Use *visit* for the rights of now; it raises a RefusedError when there are none left.

        *messages* gives events as the text that is sent.
        """
        self._request = request
        self._tail: FeedTail = request.app[TAIL]
        self._database: Database = request.app[CONTEXT].database
        self._wanted = wanted
        self._visit = visit
        self._messages = messages
        self._clock = asyncio.get_running_loop().time

    async def send(self, audience: Audience, after: int) -> web.StreamResponse:
        """Send until the client goes away, loses its rights, reads too slowly, or the process ends."""
        response = web.StreamResponse(headers=_HEADERS)
        await response.prepare(self._request)
        if self._request.method == hdrs.METH_HEAD:
            return response
        with suppress(RefusedError, TimeoutError):
            async with self._tail.followed():
                await self._follow(response, audience, after)
        return response

    async def _follow(self, response: web.StreamResponse, audience: Audience, after: int) -> None:
        valid_until = self._clock() + _RIGHTS_FOR_S
        await self._write(response, f"retry: 1000\nid: {after:0{SEQUENCE_DIGITS}}\n\n")
        while not self._tail.is_over:
            if self._clock() >= valid_until:
                valid_until = self._clock() + _RIGHTS_FOR_S
                audience = await self._visit()
                # A message without data moves the client's Last-Event-ID past what it was not shown.
                await self._write(response, f":\nid: {after:0{SEQUENCE_DIGITS}}\n\n")
            events, read_up_to = await self._next(audience, after)
            if events:
                await self._write(response, await self._messages([(event, audience.shown(event)) for event in events]))
            if read_up_to == after:
                await self._tail.wait(after, within=max(0.0, valid_until - self._clock()))
            after = read_up_to

    async def _next(self, audience: Audience, after: int) -> tuple[Sequence[FeedEvent], int]:
        """Return the next events that the client is shown, and the number up to which was read."""
        recent = self._tail.recent(after)
        if recent is None:
            async with self._database.connection() as connection:
                until = await feed.reach(connection, after)
                part = await audience.read(connection, after, until, self._wanted, limit=_BATCH)
            return part.events, part.read_up_to
        recent = recent[:_BATCH]
        wanted = [event for event in recent if self._wanted.has(event)]
        if unknown := audience.unknown(wanted):
            async with self._database.connection() as connection:
                await audience.learn(connection, unknown)
        return [event for event in wanted if audience.sees(event)], recent[-1].sequence if recent else after

    async def _write(self, response: web.StreamResponse, text: str) -> None:
        async with asyncio.timeout(_SENT_WITHIN_S):
            await response.write(text.encode())
