"""PostgreSQL: the pool, a connection, a transaction, a wake-up by NOTIFY, a lock for being the only one."""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final, Protocol, TypeAlias, cast

import asyncpg
from pydantic import SecretStr

from service.errors import DatabaseAwayError, TransactionLostError
from service.infra.postgres import records
from service.infra.postgres.acquiring import Acquired
from service.infra.postgres.queries import named_query
from service.infra.postgres.sessions.advisory_locks import ProcessLock
from service.infra.postgres.sessions.connecting import Session, connect
from service.infra.postgres.sessions.failures import DRIVER_ERRORS, outages_named
from service.infra.postgres.sessions.kept import USUAL_PULSE, AdvisoryLock, Listening, Pulse
from service.infra.postgres.sessions.lending import CLEAN_UP_TIMEOUT_S, Lending
from service.infra.postgres.sessions.purposes import Purpose
from service.infra.postgres.sessions.statement_limits import STATEMENT_LIMITS_S

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Record: TypeAlias = records.Record

DatabaseUnavailableError: Final = (OSError, DatabaseAwayError)
"""All that a use of the database raises when it is away, or cannot do now what it will do later."""

_COPY_TIMEOUT_S: Final = 60
"""How long a COPY may take, which grows with its rows."""
_PREFETCHED: Final = 500
"""How many rows of a stream are in memory."""
_RENEW_EVERY_S: Final = 5
"""How often all connections are renewed at most: those who only read need not connect again for each refused write."""


async def fetch(connection: Connection, query: str, **values: object) -> list[Record]:
    """Run the named query and return its rows."""
    text, ordered = _with_values(query, values)
    return cast(list[Record], await connection.fetch(text, *ordered, timeout=STATEMENT_LIMITS_S.get(query)))


async def fetch_row(connection: Connection, query: str, **values: object) -> Record | None:
    """Run the named query and return its first row, if there is one."""
    text, ordered = _with_values(query, values)
    return cast(Record | None, await connection.fetchrow(text, *ordered, timeout=STATEMENT_LIMITS_S.get(query)))


async def execute(connection: Connection, query: str, **values: object) -> int:
    """Run the named query and return how many rows it touched."""
    text, ordered = _with_values(query, values)
    return _touched(await connection.execute(text, *ordered, timeout=STATEMENT_LIMITS_S.get(query)))


async def copy(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Add rows to a table by COPY; its triggers and constraints hold as for any INSERT."""
    await connection.copy_records_to_table(table, columns=columns, records=rows, timeout=_COPY_TIMEOUT_S)


async def fetch_composed(
    connection: Connection, query: str, parts: Mapping[str, str], values: Sequence[object]
) -> list[Record]:
    """Run a named query whose {places} are filled with *parts*, fixed fragments that hold only $1, $2… for *values*."""
    text = named_query(query).text.format_map(parts)
    return cast(list[Record], await connection.fetch(text, *values, timeout=STATEMENT_LIMITS_S.get(query)))


async def stream_composed(
    connection: Connection, query: str, parts: Mapping[str, str], values: Sequence[object]
) -> AsyncIterator[Record]:
    """Run a composed query within a transaction, and give its rows, a few at a time."""
    text = named_query(query).text.format_map(parts)
    limit = STATEMENT_LIMITS_S.get(query)
    async for row in connection.cursor(text, *values, prefetch=_PREFETCHED, timeout=limit):
        yield cast(Record, row)


def _touched(tag: str) -> int:
    return int(tag.rpartition(" ")[2])


def _with_values(name: str, values: Mapping[str, object]) -> tuple[str, list[object]]:
    query = named_query(name)
    return query.text, [values[parameter] for parameter in query.parameters]


class Sessions(Protocol):
    """The part of the database that a use case needs."""

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """Give a connection on which each statement is its own transaction."""
        ...

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Give a connection within a transaction, committed at the end and rolled back by any exception."""
        ...


class Within:
    """Sessions within a transaction that is open already: what they do is committed with it, or not at all."""

    def __init__(self, connection: Connection) -> None:
        """Use this connection, on which the transaction is."""
        self._connection = connection

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """Give the connection."""
        yield self._connection

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """Give the connection within a part of the transaction that can be rolled back by itself."""
        with outages_named():
            async with self._connection.transaction():
                yield self._connection


class Database:
    """A pool of connections; each use takes one for as long as it needs it."""

    def __init__(self, pool: Lending, url: str | SecretStr, pulse: Pulse = USUAL_PULSE) -> None:
        self._pool = pool
        self._url = url
        self._pulse = pulse
        self._renewed_at = -math.inf

    def usage(self) -> dict[str, int]:
        """Return how many connections are `used` and `idle`, and how many there may be at `most`."""
        return {"used": self._pool.lent, "idle": self._pool.idle, "most": self._pool.size}

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """Give a connection on which each statement is its own transaction."""
        return Acquired(self._pool, self._renew)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """Give a connection within a transaction, committed at the end and rolled back by any exception."""
        async with self.connection() as connection:
            transaction = connection.transaction()
            try:
                await transaction.start()
            except asyncio.CancelledError:
                connection.terminate()  # nobody knows whether the transaction has begun
                raise
            try:
                yield connection
            except BaseException:
                # The first error is the answer, and not that a lost connection cannot be rolled back.
                with suppress(*DatabaseUnavailableError, *DRIVER_ERRORS):
                    async with asyncio.timeout(CLEAN_UP_TIMEOUT_S):
                        await transaction.rollback()
                raise
            await transaction.commit()

    @asynccontextmanager
    async def reading(self, settings: str) -> AsyncGenerator[Connection]:
        """Give a connection within a transaction that only reads; *settings* are statements, sent with its begin."""
        async with self.connection() as connection:
            try:
                await connection.execute(f"BEGIN READ ONLY; {settings}")
            except asyncio.CancelledError:
                connection.terminate()  # nobody knows whether the transaction has begun
                raise
            try:
                yield connection
            finally:
                with suppress(*DatabaseUnavailableError, *DRIVER_ERRORS):
                    async with asyncio.timeout(CLEAN_UP_TIMEOUT_S):
                        await connection.execute("ROLLBACK")

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncGenerator[Listening]:
        """Give an event that is set at each NOTIFY on *channel*; the block is cancelled when none can come any more.

        Raises:
            DatabaseAwayError: the server has ended the session, or is silent.
        """
        listening = Listening(await connect(self._url, Purpose.LISTEN), self._pulse)
        async with listening.kept():
            await listening.begin(channel)
            yield listening

    @asynccontextmanager
    async def lock(self, lock: ProcessLock) -> AsyncGenerator[AdvisoryLock]:
        """Compete for being the only process that holds *lock*; it is freed at the end.

        The block is cancelled when the lock may be lost, before the server can give it to another process.

        Raises:
            DatabaseAwayError: the server has ended the session, or is silent.
        """
        settings = {"application_name": lock.value, "idle_session_timeout": f"{self._pulse.freed * 1_000:.0f}ms"}
        taken = AdvisoryLock(await connect(self._url, Purpose.LOCK, settings=settings), self._pulse, lock)
        async with taken.kept():
            yield taken

    async def _renew(self, connection: Session) -> None:
        """Let new connections take the place of all, in case another server has begun to take writes."""
        connection.terminate()
        now = asyncio.get_running_loop().time()
        if now - self._renewed_at >= _RENEW_EVERY_S:
            self._renewed_at = now
            self._pool.outdate()


def conflicts() -> tuple[type[Exception], ...]:
    """Return what a statement raises when a unique index refuses it."""
    return (asyncpg.UniqueViolationError,)


def interferences() -> tuple[type[Exception], ...]:
    """Return what a statement raises when somebody else changes the same rows: another try may succeed."""
    return (*conflicts(), TransactionLostError)
