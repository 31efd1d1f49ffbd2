"""How a session of PostgreSQL is made: one function for each driver."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import asyncpg
from pydantic import SecretStr
from typing_extensions import override

from service.configuration.several_hosts import one_host_each
from service.errors import DatabaseAwayError, DatabaseReadOnlyError, first_line
from service.infra.postgres.sessions.failures import DRIVER_ERRORS, outages_named, raise_named
from service.infra.postgres.sessions.purposes import Purpose, set_up
from service.infra.postgres.sessions.silence import PROBE_AFTER_S, PROBE_EVERY_S, PROBES, SILENCE_S, notice_silence
from service.infra.postgres.sessions.timelines import SEEN, TIMELINE

if TYPE_CHECKING:
    import psycopg

    _Driven = asyncpg.Connection[asyncpg.Record]
else:
    _Driven = asyncpg.Connection

_Found = TypeVar("_Found")

_READ_ONLY_IF_ON: Final = ("default_transaction_read_only", "in_hot_standby")

CONNECT_TIMEOUT_S: Final = 5
"""How long it may take to connect, to sign in, and to set the session up."""
STATEMENT_TIMEOUT_S: Final = 10
"""How long an ordinary statement may take."""
ANSWER_TIMEOUT_S: Final = 12
"""How long it may take to get a connection and the answer to the first ordinary statement on it."""


class Session(_Driven):
    """A connection that is given up for lost when a statement brings no answer in time."""

    def __init__(self, *made: Any) -> None:
        """Take what the driver has connected, and let its socket notice silence."""
        super().__init__(*made)
        _, transport, *_ = made
        notice_silence(transport)
        self._waited_s = 0.0
        self.made_at: Final = time.monotonic()
        self.planned_at = self.made_at
        """Since when it keeps the plans of its statements."""
        self.idle_since = self.made_at
        self.address = ""
        """The one host that was chosen, with all else of the address."""

    async def require_writes(self) -> None:
        """Refuse a server that takes no writes; one that takes them is not asked.

        Raises:
            DatabaseReadOnlyError: it takes none.
        """
        # PostgreSQL reports each change of this, but a pooler may repeat the value from when it connected.
        reported = self.get_settings()
        if not any(getattr(reported, name, "off") == "on" for name in _READ_ONLY_IF_ON):
            return
        if await self.fetchval("SELECT current_setting('transaction_read_only')") == "on":
            raise DatabaseReadOnlyError("the server takes no writes")

    async def plan_anew(self) -> None:
        """Let the server forget the plans of prepared statements.

        It keeps the plan for all values until statistics change. A plan from a time of empty tables reads whole ones,
        and the first minute of a bulk then takes a hundred times as long. The next plan follows their present size.
        """
        self.planned_at = time.monotonic()
        await self.execute("DISCARD PLANS")

    async def note_timeline(self) -> None:
        """Note the server's timeline, and refuse an old primary.

        Raises:
            DatabaseAwayError: another server was promoted in its place.
        """
        try:
            # The transaction lets all steps of the query reach the same session of a pooler, too.
            async with self.transaction():
                found = await self.fetchrow(TIMELINE)
        except asyncpg.PostgresError:
            return  # a service that is like PostgreSQL, but keeps no log of its own, has no such functions
        if found["timeline"] is not None:
            SEEN.note(found["family"], found["timeline"])

    def count_wait(self, seconds: float) -> None:
        """Count *seconds* of waiting for this connection as part of the next statement."""
        self._waited_s = seconds

    @override
    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:
        """Run statements; see `_answered` for how long."""
        limit = self._limit(timeout)
        return await self._answered(super().execute(query, *args, timeout=limit), limit)

    @override
    async def fetch(self, query: str, *args: object, timeout: float | None = None, **how: Any) -> list[Any]:
        """Run a query and return its rows; see `_answered` for how long."""
        limit = self._limit(timeout)
        return await self._answered(super().fetch(query, *args, timeout=limit, **how), limit)

    @override
    async def fetchrow(self, query: str, *args: object, timeout: float | None = None, **how: Any) -> Any:
        """Run a query and return its first row; see `_answered` for how long."""
        limit = self._limit(timeout)
        return await self._answered(super().fetchrow(query, *args, timeout=limit, **how), limit)

    @override
    async def fetchval(self, query: str, *args: object, timeout: float | None = None, **how: Any) -> Any:
        """Run a query and return a value of its first row; see `_answered` for how long."""
        limit = self._limit(timeout)
        return await self._answered(super().fetchval(query, *args, timeout=limit, **how), limit)

    @override
    async def copy_records_to_table(self, table_name: str, *, timeout: float | None = None, **how: Any) -> str:
        """Add rows by COPY; see `_answered` for how long."""
        limit = self._limit(timeout)
        return await self._answered(super().copy_records_to_table(table_name, timeout=limit, **how), limit)

    def _limit(self, timeout: float | None) -> float:
        waited, self._waited_s = self._waited_s, 0.0
        return timeout if timeout is not None else min(STATEMENT_TIMEOUT_S, ANSWER_TIMEOUT_S - waited)

    async def _answered(self, statement: Awaitable[_Found], limit: float) -> _Found:
        try:
            return await statement
        except TimeoutError as error:
            # A release would wait until the server has cancelled the statement, and a silent one never confirms that.
            self.terminate()
            SEEN.doubt()
            raise DatabaseAwayError(f"no answer to a statement within {limit:.3g} s") from error
        except asyncpg.InsufficientPrivilegeError as error:
            role = getattr(self.get_settings(), "session_authorization", "")
            raise asyncpg.InsufficientPrivilegeError(f"role {role}: {first_line(error)}") from error
        except DRIVER_ERRORS as error:
            if isinstance(error, asyncpg.InternalClientError):
                self.terminate()  # nobody knows what the session is about to say
            raise_named(error)


async def connect(
    url: str | SecretStr,
    purpose: Purpose,
    *,
    settings: Mapping[str, str] | None = None,
    prove: Callable[[Session], Awaitable[None]] | None = None,
    **options: Any,
) -> Session:
    """Connect to the database at *url*, which may be another one each time if it is secret, and set the session up.

    *prove* is given the session before anything is set in it; *options* go to the driver.

    Raises:
        DatabaseAwayError: the server cannot be reached, refuses us, or takes no writes and a lock is wanted.
    """
    session = await open_session(url, **options)
    try:
        if prove is not None:
            await prove(session)
        with outages_named(OSError):
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await session.execute(set_up(purpose, **(settings or {})))
        if purpose is Purpose.LOCK:
            # A standby gives out locks, too, beside those of the server that takes writes.
            await session.require_writes()
    except BaseException:
        session.terminate()
        raise
    return session


async def open_session(url: str | SecretStr, **options: Any) -> Session:
    """Connect to the first host of *url* that can be used, and set nothing up; *options* go to the driver.

    Raises:
        DatabaseAwayError: no host can be reached in time, or takes us, or is of the kind that *url* asks for.
    """
    hosts = one_host_each(url.get_secret_value() if isinstance(url, SecretStr) else url)
    options = {"command_timeout": STATEMENT_TIMEOUT_S, **options, "connection_class": Session}
    if len(hosts) == 1:
        return await _open(hosts[0], CONNECT_TIMEOUT_S, options)
    open_newest = partial(_open_newest, patience_s=CONNECT_TIMEOUT_S / len(hosts), options=options)

    async def see(address: str) -> None:
        with suppress(DatabaseAwayError, *DRIVER_ERRORS, ValueError):  # what is of importance is met again below
            (await open_newest(address)).terminate()

    await SEEN.survey(hosts, see)
    for address in hosts[:-1]:
        with suppress(DatabaseAwayError):
            return await open_newest(address)
    return await open_newest(hosts[-1])


async def _open_newest(address: str, patience_s: float, options: Mapping[str, Any]) -> Session:
    """Connect to one of several hosts, unless it is an old primary."""
    session = await _open(address, patience_s, options)
    try:
        with outages_named(OSError):
            async with asyncio.timeout(patience_s):
                await session.note_timeline()
    except BaseException:
        session.terminate()
        raise
    return session


async def _open(address: str, patience_s: float, options: Mapping[str, Any]) -> Session:
    with outages_named(OSError):
        async with asyncio.timeout(patience_s):
            session = cast(Session, await asyncpg.connect(address, **options))
    session.address = address
    return session


def connect_blocking(url: str, purpose: Purpose) -> "psycopg.Connection":
    """Connect to the database at *url* as `connect` does, with the driver that blocks.

    Raises:
        psycopg.Error: the server cannot be reached, or refuses us.
    """
    import psycopg  # noqa: PLC0415 - the processes do without this driver

    connection = psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        keepalives_idle=PROBE_AFTER_S,
        keepalives_interval=PROBE_EVERY_S,
        keepalives_count=PROBES,
        tcp_user_timeout=1_000 * SILENCE_S,
    )
    try:
        connection.execute(set_up(purpose).encode())
    except BaseException:
        connection.close()
        raise
    connection.autocommit = False
    return connection
