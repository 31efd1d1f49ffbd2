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

_FOR_VALUES: Final = "force_custom_plan"
"""From its sixth execution on, a prepared statement may else get a plan for all values, a thousand times slower."""
_FOR_ALL: Final = "force_generic_plan"
"""Saves the planner's time, which is half of that of a list of thousands of projects."""


class Cost(Enum):
    """The kinds of reads, by their cost."""

    PLAIN = auto()
    """Some probes of indexes, whatever the values are."""
    PLANNED = auto()
    """The best plan depends on the values."""
    EXPENSIVE = auto()
    """So does the time: it may be thousands of times that of a plain read."""
    LONG = auto()
    """The time grows with the number of projects, and one plan is the best for all values."""


class Reads:
    """Gives connections to reads by their cost."""

    def __init__(self, database: Database, limit: timedelta) -> None:
        """Take connections of *database*; the server ends what is not plain after *limit*."""
        self._database = database
        self._limits = f"SET LOCAL jit = off; SET LOCAL statement_timeout = {round(limit.total_seconds() * 1_000)}"
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
            Cost.EXPENSIVE: lambda: self._in_turn(_FOR_VALUES),
            Cost.LONG: lambda: self._in_turn(_FOR_ALL),
        }
        async with giving[cost]() as connection:
            yield connection

    def _planned(self) -> AbstractAsyncContextManager[Connection]:
        return self._limited(_FOR_VALUES)

    def _limited(self, plans: str) -> AbstractAsyncContextManager[Connection]:
        return self._database.reading(f"SET LOCAL plan_cache_mode = {plans}; {self._limits}")

    @asynccontextmanager
    async def _in_turn(self, plans: str) -> AsyncGenerator[Connection]:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._turns.acquire()
        except TimeoutError:
            raise SearchesBusyError from None
        try:
            async with self._limited(plans) as connection:
                yield connection
        finally:
            self._turns.release()
