"""Limits on the use of the object store: chunks at the same time, and objects in a second."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class Pace:
    """The limits that the removals of one process share."""

    def __init__(self, *, concurrency: int, rate: int) -> None:
        """Let *concurrency* chunks go at the same time, and *rate* objects in a second; 0 is no limit."""
        self._slots = asyncio.Semaphore(concurrency)
        self._rate = rate
        self._free_at = 0.0

    def chunk(self, size: int) -> int:
        """Return how many objects to take together, at most *size*, so that no second exceeds the rate by much."""
        return min(size, self._rate) if self._rate else size

    @asynccontextmanager
    async def of(self, count: int) -> AsyncGenerator[None]:
        """Wait until *count* more objects may go, and for a place for the time that they take."""
        async with self._slots:
            await self._turn(count)
            yield

    async def _turn(self, count: int) -> None:
        if not self._rate:
            return
        now = asyncio.get_running_loop().time()
        begins = max(now, self._free_at)
        self._free_at = begins + count / self._rate
        await asyncio.sleep(begins - now)
