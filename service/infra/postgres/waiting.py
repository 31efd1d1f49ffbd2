"""Waiting at a start for servers that are away, or that nobody has prepared yet."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar

import asyncpg
import structlog

from service.configuration.several_hosts import at_hosts
from service.errors import DatabaseAwayError, FinalError, StartError, first_line
from service.infra.postgres.database import DatabaseUnavailableError
from service.infra.postgres.sessions.connecting import open_session
from service.infra.postgres.sessions.failures import is_refusal

_PAUSE_S: Final = 1
_NOT_YET: Final = (StartError, asyncpg.InsufficientPrivilegeError, *DatabaseUnavailableError)

Result = TypeVar("Result")

log = structlog.get_logger()


async def repeat_until_done(attempt: Callable[[], Awaitable[Result]], *, patience: timedelta, event: str) -> Result:
    """Return what *attempt* returns, as soon as it does not fail; each new reason is logged as *event*.

    Raises:
        FinalError: no other try helps.
        StartError: it still failed when *patience* ended; the text is the last reason.
    """
    deadline = asyncio.get_running_loop().time() + patience.total_seconds()
    known = ""
    while True:
        try:
            return await attempt()
        except FinalError:
            raise
        except _NOT_YET as error:
            reason = first_line(error)
            if asyncio.get_running_loop().time() > deadline:
                raise StartError(reason) from error
            if reason != known:
                log.info(event, reason=reason)
            known = reason
            await asyncio.sleep(_PAUSE_S)


async def wait_for_database(url: str, *, patience: timedelta) -> None:
    """Return when the database at *url* lets us in, whatever is in it; the log says why it waits.

    Raises:
        FinalError: it refuses us: the password is wrong, or there is no such database, or its certificate is not good.
        StartError: it was still away when *patience* ended.
    """

    async def connect() -> None:
        try:
            session = await open_session(url)
        except DatabaseAwayError as error:
            kind = FinalError if is_refusal(error) else StartError
            raise kind(f"PACKYARD_DATABASE_URL: cannot use the database{at_hosts(url)}: {error}") from error
        session.terminate()

    await repeat_until_done(connect, patience=patience, event="waiting_for_database")
