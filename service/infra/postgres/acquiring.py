"""A connection of the pool for one block, in the way that costs a request least."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, cast

import asyncpg

from service.errors import DatabaseAwayError, DatabaseReadOnlyError
from service.infra.postgres.refused_places import Pooled, RefusedPlaces
from service.infra.postgres.sessions.connecting import Session
from service.infra.postgres.sessions.failures import DRIVER_ERRORS, named, raise_named

CLEAN_UP_TIMEOUT_S: Final = 2
"""How long a transaction that is over, or a statement that is not awaited, may keep a connection."""
_ACQUIRE_TIMEOUT_S: Final = 8
"""How long it may take to get a connection, a new one if need be."""


class Acquired:
    """Takes a connection of the pool for a block, and gives it back; each block needs one of these.

    Each request pays for it: 25 microseconds, where generators and the driver's own timeout took 36.
    """

    __slots__ = ("_connection", "_pool", "_refused", "_renew")

    _connection: Pooled

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        refused: RefusedPlaces,
        renew: Callable[[Pooled], Awaitable[None]],
    ) -> None:
        """Take it from *pool*; *renew* is called with a connection to a server that takes no writes."""
        self._pool = pool
        self._refused = refused
        self._renew = renew

    async def __aenter__(self) -> Pooled:
        """Wait for a connection.

        Raises:
            DatabaseAwayError: none is to be had in time.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            # The driver would wait in a task of its own for a timeout that is an argument.
            async with asyncio.timeout(_ACQUIRE_TIMEOUT_S):
                try:
                    self._connection = await self._pool.acquire()
                except DatabaseAwayError as error:
                    self._connection = await self._refused.take_another(error)
        except (*DRIVER_ERRORS, OSError) as error:
            # We raise an error of our own, since to the API an OSError is a client that went away.
            raise_named(error)
        cast(Session, self._connection).count_wait(loop.time() - began)
        return self._connection

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Give the connection back, and raise an outage in place of an error of the driver."""
        if error is None:
            # Nothing is left to be sent, so this waits for no server.
            await self._pool.release(self._connection, timeout=_ACQUIRE_TIMEOUT_S)
            return
        meant = named(error) if isinstance(error, DRIVER_ERRORS) else error
        try:
            if isinstance(meant, DatabaseReadOnlyError):
                await self._renew(self._connection)
        finally:
            # The release continues if we are cancelled; otherwise nothing would notice that it ran out of time.
            await asyncio.shield(self._release())
        if meant is not error:
            raise meant from error

    async def _release(self) -> None:
        # The pool gives up a connection that the server does not let go of in time.
        with suppress(TimeoutError):
            await self._pool.release(self._connection, timeout=CLEAN_UP_TIMEOUT_S)
