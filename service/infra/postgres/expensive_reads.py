"""Reads whose cost depends on their values: planned for these, ended in time, and never on all connections."""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import timedelta
from enum import Enum, auto
from typing import Final

from service.infra.postgres.database import Connection, Database
from service.refusals import SearchesBusyError

MOST_EXPENSIVE: Final = min(os.cpu_count() or 1, 3)
"""How many of the connections of a process expensive reads may use at the same time.

More of them than processors are hardly faster, and keep others waiting where the database is on the same machine.
"""
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


_IN_TURN: Final = frozenset({Cost.EXPENSIVE, Cost.LONG})


class Reads:
    """Gives connections to reads by their cost."""

    def __init__(self, database: Database, limit: timedelta) -> None:
        """Take connections of *database*; the server ends what is not plain after *limit*."""
        self._database = database
        self._limits = f"SET LOCAL jit = off; SET LOCAL statement_timeout = {round(limit.total_seconds() * 1_000)}"
        self._turns = asyncio.Semaphore(MOST_EXPENSIVE)

    @asynccontextmanager
    async def connection(self, cost: Cost, *, has_turn: bool = False) -> AsyncGenerator[Connection]:
        """Give a connection to a read of that cost, which waits for its turn unless it has one.

        Raises:
            SearchesBusyError: as for `turn`.
        """
        giving: dict[Cost, Callable[[], AbstractAsyncContextManager[Connection]]] = {
            Cost.PLAIN: self._database.connection,
            Cost.PLANNED: lambda: self._limited(_FOR_VALUES),
            Cost.EXPENSIVE: lambda: self._limited(_FOR_VALUES),
            Cost.LONG: lambda: self._limited(_FOR_ALL),
        }
        async with nullcontext() if has_turn or cost not in _IN_TURN else self.turn(), giving[cost]() as connection:
            yield connection

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait for the turn of an expensive read, which lasts to the end of the block.

        Raises:
            SearchesBusyError: others took too long, so that it was not the turn of this one.
        """
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._turns.acquire()
        except TimeoutError:
            raise SearchesBusyError from None
        try:
            yield
        finally:
            self._turns.release()

    def _limited(self, plans: str) -> AbstractAsyncContextManager[Connection]:
        return self._database.reading(f"SET LOCAL plan_cache_mode = {plans}; {self._limits}")
