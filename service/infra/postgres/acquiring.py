"""A session of the pool for one block, in the way that costs a request least."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final

from service.errors import DatabaseReadOnlyError
from service.infra.postgres.sessions.connecting import Session
from service.infra.postgres.sessions.failures import DRIVER_ERRORS, named, raise_named
from service.infra.postgres.sessions.lending import Lending

PLANS_LAST_S: Final = 5.0
"""How long a session keeps the plans of its statements. To plan those of a busy process anew costs it about 1 %."""
_ACQUIRE_TIMEOUT_S: Final = 8
"""How long it may take to get a connection, a new one if need be."""
_MAY_BE_UNDER_WAY: Final = (asyncio.CancelledError, TimeoutError)
"""Errors of a block whose statement the server may still run."""


class Acquired:
    """Takes a session of the pool for a block, and gives it back; each block needs one of these."""

    __slots__ = ("_pool", "_renew", "_session")

    _session: Session

    def __init__(self, pool: Lending, renew: Callable[[Session], Awaitable[None]]) -> None:
        """Take it from *pool*; *renew* is called with a session of a server that takes no writes."""
        self._pool = pool
        self._renew = renew

    async def __aenter__(self) -> Session:
        """Wait for a session.

        Raises:
            DatabaseAwayError: none is to be had in time.
        """
        session = self._pool.take()
        if session is None:
            session = await self._wait()
        self._session = session
        if time.monotonic() - session.planned_at >= PLANS_LAST_S:
            try:
                await session.plan_anew()
            except BaseException:
                session.terminate()
                self._pool.give_back(session)
                raise
        return session

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Give the session back, and raise an outage in place of an error of the driver."""
        if error is None:
            self._pool.give_back(self._session)
            return
        meant = named(error) if isinstance(error, DRIVER_ERRORS) else error
        try:
            if isinstance(meant, DatabaseReadOnlyError):
                await self._renew(self._session)
        finally:
            if isinstance(error, _MAY_BE_UNDER_WAY):
                # This continues if we are cancelled; otherwise nothing would notice that it ran out of time.
                await asyncio.shield(self._pool.recover(self._session))
            else:
                self._pool.give_back(self._session)
        if meant is not error:
            raise meant from error

    async def _wait(self) -> Session:
        began = time.monotonic()
        try:
            async with asyncio.timeout(_ACQUIRE_TIMEOUT_S):
                session = await self._pool.wait()
        except (*DRIVER_ERRORS, OSError) as error:
            # We raise an error of our own, since to the API an OSError is a client that went away.
            raise_named(error)
        session.count_wait(time.monotonic() - began)
        return session
