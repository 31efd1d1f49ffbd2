"""How a session of PostgreSQL is made: one function for each driver, one list of settings for every kind of session."""

import asyncio
from collections.abc import Awaitable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import asyncpg
from pydantic import SecretStr
from typing_extensions import override

from service.errors import DatabaseAwayError
from service.infra.silence import PROBE_AFTER_S, PROBE_EVERY_S, PROBES, SILENCE_S, notice_silence
from service.infra.statement_limits import LONGEST_STATEMENT_S

if TYPE_CHECKING:
    import psycopg

    _Driven = asyncpg.Connection[asyncpg.Record]
else:
    _Driven = asyncpg.Connection

_Found = TypeVar("_Found")

CONNECT_TIMEOUT_S: Final = 5
"""How long it may take to connect, to sign in, and to set the session up."""
STATEMENT_TIMEOUT_S: Final = 10
"""How long an ordinary statement may take."""
ANSWER_TIMEOUT_S: Final = 12
"""How long it may take to get a connection and the answer to the first ordinary statement on it."""


class Purpose(StrEnum):
    """What a session is for; the operator sees it in the session's application_name."""

    POOL = "packyard"
    LISTEN = "packyard listen"
    LOCK = "packyard lock"
    MIGRATE = "packyard migrate"
    ROLES = "packyard roles"


_COMMON: Final = MappingProxyType(
    {
        "TimeZone": "UTC",
        "default_transaction_isolation": "read committed",
        # The limit of each statement bounds its waits for locks, too.
        "lock_timeout": "0",
        "idle_session_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        # The server ends a session whose client is silent for 15 s, and so frees its locks.
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "3",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "15s",
        # A statement ends when its client hangs up, not when it has its answer.
        "client_connection_check_interval": "2s",
    }
)
_OF_PURPOSE: Final[Mapping[Purpose, Mapping[str, str]]] = MappingProxyType(
    {
        Purpose.POOL: {
            # The server ends a statement whose client has given it up, too.
            "statement_timeout": f"{LONGEST_STATEMENT_S}s",
            # No keepalive passes a proxy, so this frees the row locks of a client that vanished behind one.
            "idle_in_transaction_session_timeout": "60s",
        },
        Purpose.LISTEN: {"statement_timeout": "60s"},
        Purpose.LOCK: {"statement_timeout": "60s"},
        # A migration may build an index for hours, and its guard is idle meanwhile.
        Purpose.MIGRATE: {"statement_timeout": "0"},
        Purpose.ROLES: {"statement_timeout": "60s"},
    }
)


def set_up(purpose: Purpose, **more: str) -> str:
    """Return the one statement that sets a session up for *purpose*, with *more* settings or other values.

    Startup parameters would do the same, but PgBouncer refuses those that it does not know. A server that does not
    know a setting is left without it.
    """
    chosen = {"application_name": str(purpose), **_COMMON, **_OF_PURPOSE[purpose], **more}
    rows = ", ".join(f"('{name}', '{value}')" for name, value in chosen.items())
    return (
        f"SELECT set_config(name, value, false) FROM (VALUES {rows}) AS chosen (name, value)"  # noqa: S608 - all ours
        " WHERE current_setting(name, true) IS NOT NULL"
        # Windows cannot report that a client hung up, and refuses the setting.
        " AND (name <> 'client_connection_check_interval' OR version() !~* 'visual c|mingw')"
    )


class Session(_Driven):
    """A connection that is given up for lost when a statement brings no answer in time."""

    def __init__(self, *made: Any) -> None:
        """Take what the driver has connected, and let its socket notice silence."""
        super().__init__(*made)
        _, transport, *_ = made
        notice_silence(transport)
        self._waited_s = 0.0

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

    def _limit(self, timeout: float | None) -> float:
        waited, self._waited_s = self._waited_s, 0.0
        return timeout if timeout is not None else min(STATEMENT_TIMEOUT_S, ANSWER_TIMEOUT_S - waited)

    async def _answered(self, statement: Awaitable[_Found], limit: float) -> _Found:
        try:
            return await statement
        except TimeoutError as error:
            # To release it would wait until the server has cancelled the statement, and a silent one never says so.
            self.terminate()
            raise DatabaseAwayError(f"no answer to a statement within {limit:.3g} s") from error


async def connect(
    url: str | SecretStr, purpose: Purpose, *, settings: Mapping[str, str] | None = None, **options: Any
) -> Session:
    """Connect to the database at *url*, which may be another one each time if it is secret, and set the session up.

    *options* go to the driver.

    Raises:
        TimeoutError: it took longer than CONNECT_TIMEOUT_S.
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: the server cannot be reached, or refuses us.
    """
    address = url.get_secret_value() if isinstance(url, SecretStr) else url
    options = {"command_timeout": STATEMENT_TIMEOUT_S, **options, "connection_class": Session}
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        session = cast(Session, await asyncpg.connect(address, **options))
        try:
            await session.execute(set_up(purpose, **(settings or {})))
        except BaseException:
            session.terminate()
            raise
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
