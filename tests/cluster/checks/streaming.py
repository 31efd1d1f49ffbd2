"""A client of the stream of events, which goes on where the server ended it, and misses nothing."""

import asyncio
import time
from typing import Final

from tests.cluster.checks.clients import PROJECT, Clients

_TYPES: Final = "types=package.destroyed"
_CATCHING_UP_S: Final = 30


class Stream:
    """One client of the stream; it connects again each time that the server ends it."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._seen: list[int] = []
        self._last = self._began = 0

    async def begin(self) -> None:
        """Note where the feed ends now."""
        self._began = self._last = (await self._numbers(0))[1]

    async def follow(self) -> None:
        """Read until cancelled."""
        while True:
            await self._clients.counted("stream", self._read)

    async def compare(self) -> None:
        """Wait until the stream has caught up with the feed of now, and note what it left out."""
        numbers, until = await self._numbers(self._began)
        deadline = time.monotonic() + _CATCHING_UP_S
        while self._last < until and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        seen = [number for number in self._seen if number <= until]
        summary = self._clients.summary
        summary.streamed = len(seen)
        summary.missed = len(seen) - len(set(seen)) + len(set(numbers) ^ set(seen))

    async def _read(self) -> None:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(self._last)}
        async with (
            self._clients.session() as session,
            session.get(f"{PROJECT}/package_events?{_TYPES}", headers=headers) as answer,
        ):
            answer.raise_for_status()
            async for line in answer.content:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "id":
                    self._last = int(value)
                elif name == "data":
                    self._seen.append(self._last)
        self._clients.summary.streams_ended += 1

    async def _numbers(self, after: int) -> tuple[list[int], int]:
        """Return the numbers of the events behind *after*, and the number up to which the feed was read."""
        numbers: list[int] = []
        async with self._clients.session() as session:
            while True:
                path = f"{PROJECT}/package_events?{_TYPES}&limit=1000&after={after}"
                async with session.get(path) as answer:
                    answer.raise_for_status()
                    found = await answer.json(content_type=None)
                    after = int(answer.headers["X-Next-After"])
                if not found:
                    return numbers, after
                numbers += [int(event["sequence"]) for event in found]
