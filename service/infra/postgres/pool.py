"""Opening the pool of connections that a process works with, and closing it within a bound."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import asyncpg
from pydantic import SecretStr
from pydantic_core import from_json

from service.errors import StartError, first_line
from service.infra.postgres.database import Database, DatabaseUnavailableError
from service.infra.postgres.refused_places import connect_patiently
from service.infra.postgres.sessions.connecting import Session, connect
from service.infra.postgres.sessions.failures import DRIVER_ERRORS
from service.infra.postgres.sessions.kept import USUAL_PULSE, Pulse
from service.infra.postgres.sessions.purposes import Purpose
from service.infra.postgres.sessions.suitability import require_suitable

PLANS_LAST_S: Final = 5.0
"""How long a session keeps the plans of its statements. To plan those of a busy process anew costs it about 1 %."""

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
    try:
        pool = await asyncpg.create_pool(
            connect=_connecting(url),
            connection_class=Session,
            # The first connection shows what is wrong; the pool would log each try to keep one through an outage.
            init_size=1,
            min_size=0,
            max_size=size,
            init=_read_jsonb,
            setup=_plan_anew,
            reset=_leave_as_it_is,
        )
    except (*DatabaseUnavailableError, *DRIVER_ERRORS, ValueError) as error:
        reason = first_line(error)  # without details and hints
        raise StartError(f"PACKYARD_DATABASE_URL: cannot connect to the database: {reason}") from error
    database = Database(pool, url, pulse)
    try:
        yield database
    finally:
        await database.end()
        await _close(pool)


def _connecting(url: str | SecretStr) -> Callable[..., Coroutine[Any, Any, Session]]:
    """Return what connects for the pool; the first session proves that the database is suitable."""
    is_suitable = False

    async def prove(session: Session) -> None:
        nonlocal is_suitable
        if not is_suitable:
            await require_suitable(session, url)
        is_suitable = True

    async def connect_again(*_address: object, **options: Any) -> Session:
        return await connect_patiently(lambda: connect(url, Purpose.POOL, prove=prove, **options))

    return connect_again


async def _read_jsonb(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=from_json, format="text")


async def _plan_anew(connection: object) -> None:
    await cast(Session, connection).plan_anew(after_s=PLANS_LAST_S)


async def _leave_as_it_is(_connection: object) -> None:
    # No code of ours changes a session, so we save the round trip that would reset it. An open transaction is
    # still rolled back.
    pass


async def _close(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    try:
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await pool.close()
    except TimeoutError:
        pool.terminate()
