"""Opening the pool of connections that a process works with, and closing it within a bound."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

from pydantic import SecretStr
from pydantic_core import from_json

from service.errors import StartError, first_line
from service.infra.postgres.database import Database, DatabaseUnavailableError
from service.infra.postgres.sessions.connecting import CONNECT_TIMEOUT_S, Session, connect
from service.infra.postgres.sessions.failures import DRIVER_ERRORS, outages_named
from service.infra.postgres.sessions.kept import USUAL_PULSE, Pulse
from service.infra.postgres.sessions.lending import Lending
from service.infra.postgres.sessions.purposes import Purpose
from service.infra.postgres.sessions.suitability import require_suitable

_CLOSE_TIMEOUT_S: Final = 5


@asynccontextmanager
async def open_database(
    url: str | SecretStr, *, size: int = 10, pulse: Pulse = USUAL_PULSE
) -> AsyncGenerator[Database]:
    """Open a pool of at most *size* connections; each new one goes to where a secret *url* leads by then.

    Sessions that listen or hold a lock are watched with *pulse*.

    Raises:
        StartError: the server cannot be reached, refuses us, or has no such database.
    """
    pool = Lending(_connecting(url), size)
    try:
        # The first connection shows what is wrong.
        pool.give_back(await pool.wait())
    except (*DatabaseUnavailableError, *DRIVER_ERRORS, ValueError) as error:
        reason = first_line(error)  # without details and hints
        raise StartError(f"PACKYARD_DATABASE_URL: cannot connect to the database: {reason}") from error
    try:
        yield Database(pool, url, pulse)
    finally:
        await _close(pool)


def _connecting(url: str | SecretStr) -> Callable[[], Coroutine[Any, Any, Session]]:
    """Return what connects for the pool; the first session proves that the database is suitable."""
    is_suitable = False

    async def prove(session: Session) -> None:
        nonlocal is_suitable
        if not is_suitable:
            await require_suitable(session, url)
        is_suitable = True

    async def connect_again() -> Session:
        session = await connect(url, Purpose.POOL, prove=prove)
        try:
            await _read_jsonb(session)
        except BaseException:
            session.terminate()
            raise
        return session

    return connect_again


async def _read_jsonb(session: Session) -> None:
    with outages_named(OSError):
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await session.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=from_json, format="text")


async def _close(pool: Lending) -> None:
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await pool.close()
    except TimeoutError:
        pool.terminate()
