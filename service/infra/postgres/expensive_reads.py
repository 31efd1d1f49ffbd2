"""Reads whose cost depends on their values: planned for these, ended in time, and never on all connections."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from enum import Enum, auto
from typing import Final

from service.infra.postgres.database import Connection, Database
from service.refusals import SearchesBusyError

MOST_EXPENSIVE: Final = 3
"""How many of the connections of a process expensive reads may use at the same time."""
PATIENCE_S: Final = 2
"""How long an expensive read waits for its turn."""


class Cost(Enum):
    """The kinds of reads, by their cost."""

    PLAIN = auto()
    """Some probes of indexes, whatever the values are."""
    PLANNED = auto()
    """The best plan depends on the values."""
    EXPENSIVE = auto()
    """So does the time: it may be thousands of times that of a plain read."""


class Reads:
    """Gives connections to reads by their cost."""

    def __init__(self, database: Database, limit: timedelta) -> None:
        """Take connections of *database*; the server ends what is not plain after *limit*."""
        self._database = database
        # From its sixth execution on, a prepared statement may get a plan for all values, a thousand times slower.
        self._settings = (
            "SET LOCAL plan_cache_mode = force_custom_plan; SET LOCAL jit = off;"
            f" SET LOCAL statement_timeout = {round(limit.total_seconds() * 1_000)}"
        )
        self._turns = asyncio.Semaphore(MOST_EXPENSIVE)

    @asynccontextmanager
    async def connection(self, cost: Cost) -> AsyncGenerator[Connection]:
        """Give a connection to a read of that cost.

        Raises:
            SearchesBusyError: others took too long, so that it was not the turn of this expensive read.
        """
        giving: dict[Cost, Callable[[], AbstractAsyncContextManager[Connection]]] = {
            Cost.PLAIN: self._database.connection,
            Cost.PLANNED: self._planned,
            Cost.EXPENSIVE: self._in_turn,
        }
        async with giving[cost]() as connection:
            yield connection

    def _planned(self) -> AbstractAsyncContextManager[Connection]:
        return self._database.reading(self._settings)

    @asynccontextmanager
    async def _in_turn(self) -> AsyncGenerator[Connection]:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._turns.acquire()
        except TimeoutError:
            raise SearchesBusyError from None
        try:
            async with self._planned() as connection:
                yield connection
        finally:
            self._turns.release()
