"""Sessions of PostgreSQL that are kept for long: one that listens, one that holds a lock."""

import asyncio

import asyncpg


class Listening:
    """What comes over a connection that listens."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self.heard = asyncio.Event()

    def forget(self) -> None:
        """Wait for the next notification; raises when none can come any more."""
        if self._connection.is_closed():
            raise ConnectionResetError("the connection that listened was lost")
        self.heard.clear()


class Sole:
    """A lock that only one process can hold; the server frees it when the holder's connection is gone."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
        self._connection = connection
        self._name = name
        self._held = False

    async def is_held(self) -> bool:
        """Tell whether we hold the lock, after trying to take it if we do not; raises when the server is away."""
        if self._held:
            # A server that ended our session without our hearing of it has given the lock to another.
            await self._connection.fetchval("SELECT 1")
        else:
            query = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
            self._held = bool(await self._connection.fetchval(query, self._name))
        return self._held
