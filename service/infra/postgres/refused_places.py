"""Places of a pool whose connection the server refuses, while connections of other places work on.

So it is while a password changes: the server has the new one already, and the file has it a minute later.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

import asyncpg

from service.errors import DatabaseAwayError
from service.infra.postgres.sessions.failures import DRIVER_ERRORS, is_refusal

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

Pooled: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
_Made = TypeVar("_Made")

_PAUSE_S: Final = 1

_FILLED: Final[ContextVar["asyncpg.Pool[asyncpg.Record] | None"]] = ContextVar("filled", default=None)
"""The pool of the place that this task fills, while no request waits for it."""


class RefusedPlaces:
    """Sets places aside until the server takes us again, so that requests share the connections that there are.

    The pool gives out the place that came back last, thus one that was refused again and again.
    """

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Set places of *pool* aside."""
        self._pool = pool
        self._tasks: set[asyncio.Task[None]] = set()

    async def take_another(self, error: DatabaseAwayError) -> Pooled:
        """Wait for a connection of another place than the one that failed with *error*.

        Raises:
            DatabaseAwayError: no place has one, or the server is away.
        """
        while is_refusal(error) and self._pool.get_size() > 0:
            task = asyncio.create_task(self._fill())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.sleep(0)  # the task takes the place
            try:
                return await self._pool.acquire()
            except DatabaseAwayError as again:
                error = again
        raise error

    async def end(self) -> None:
        """Fill no more places."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _fill(self) -> None:
        _FILLED.set(self._pool)
        # Without a connection the next request meets the failure itself.
        with suppress(DatabaseAwayError, *DRIVER_ERRORS, OSError):
            await self._pool.release(await self._pool.acquire())


async def connect_patiently(attempt: Callable[[], Awaitable[_Made]]) -> _Made:
    """Return what *attempt* connects for the pool; for a place that is set aside it may take many.

    Raises:
        DatabaseAwayError: the server is away or refuses us, and a request waits or no place has a connection.
    """
    pool = _FILLED.get()
    while True:
        try:
            return await attempt()
        except DatabaseAwayError as error:
            if pool is None or pool.get_size() == 0 or not is_refusal(error):
                raise
        await asyncio.sleep(_PAUSE_S)
