"""Checks of a database before it is used: it is encoded in UTF8, and we reach it by sessions of our own."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final

from pydantic import SecretStr

from service.errors import DatabaseAwayError, UnsuitableDatabaseError
from service.infra.postgres.sessions.connecting import CONNECT_TIMEOUT_S, Session, open_session

_ENCODING: Final = "UTF8"
_TRIES: Final = 3
_SESSION: Final = """
SELECT concat_ws(' ', pid, backend_start, inet_server_addr()) FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""
"""Asks for a text that differs between two sessions of PostgreSQL, also on different servers."""


async def require_suitable(connection: Session, url: str | SecretStr) -> None:
    """Check what the database behind a new *connection* to *url* is, before anything is set or prepared there.

    Raises:
        UnsuitableDatabaseError: it has another encoding, or a pooler hands its sessions round.
    """
    encoding = getattr(connection.get_settings(), "server_encoding", _ENCODING)
    if encoding != _ENCODING:
        raise UnsuitableDatabaseError(
            f"PACKYARD_DATABASE_URL: the encoding of the database is {encoding}, {_ENCODING} is needed:"
            f" CREATE DATABASE … ENCODING '{_ENCODING}' TEMPLATE template0 makes such a one"
        )
    if not await _is_direct(connection) and await _shares_sessions(url):
        raise UnsuitableDatabaseError(
            "PACKYARD_DATABASE_URL: leads to a pooler that gives each transaction another session of PostgreSQL:"
            " set its pool_mode to session, or name PostgreSQL itself"
        )


async def _is_direct(connection: Session) -> bool:
    """Return whether PostgreSQL itself has answered the connection; a pooler makes up the number of its process."""
    # The query is sent as text alone: a prepared statement might end up on another client's session.
    tag = await connection.execute(f"SELECT WHERE pg_backend_pid() = {connection.get_server_pid()}")
    return tag == "SELECT 1"


async def _shares_sessions(url: str | SecretStr) -> bool:
    """Return whether a connection is given the session of another one that is open, but has nothing to do."""
    # A pooler that gives no second session as long as the first is open does not hand sessions round either.
    with suppress(DatabaseAwayError, TimeoutError):
        async with asyncio.timeout(CONNECT_TIMEOUT_S), _opened(url) as first:
            ours = await _session_of(first)
            for _ in range(_TRIES):
                async with _opened(url) as second:
                    if await _session_of(second) == ours:
                        return True
    return False


@asynccontextmanager
async def _opened(url: str | SecretStr) -> AsyncGenerator[Session]:
    session = await open_session(url, statement_cache_size=0)
    try:
        yield session
    finally:
        session.terminate()


async def _session_of(session: Session) -> str:
    # The transaction makes all steps of the query reach the same session.
    async with session.transaction():
        return str(await session.fetchval(_SESSION))
