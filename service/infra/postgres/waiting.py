"""Waiting at a start for servers that are away, or that nobody has prepared yet."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar

import asyncpg
import structlog

from service.errors import StartError, UnsuitableDatabaseError, first_line
from service.infra.postgres.database import DatabaseUnavailableError

_PAUSE_S: Final = 1
_NOT_YET: Final = (StartError, asyncpg.InsufficientPrivilegeError, *DatabaseUnavailableError)

Result = TypeVar("Result")

log = structlog.get_logger()


async def repeat_until_done(attempt: Callable[[], Awaitable[Result]], *, patience: timedelta, event: str) -> Result:
    """Return what *attempt* returns, as soon as it does not fail; each new reason is logged as *event*.

    Raises:
        UnsuitableDatabaseError: the database is none that can be worked with.
        StartError: it still failed when *patience* ended; the text is the last reason.
    """
    deadline = asyncio.get_running_loop().time() + patience.total_seconds()
    known = ""
    while True:
        try:
            return await attempt()
        except UnsuitableDatabaseError:
            raise
        except _NOT_YET as error:
            reason = first_line(error)
            if asyncio.get_running_loop().time() > deadline:
                raise StartError(reason) from error
            if reason != known:
                log.info(event, reason=reason)
            known = reason
            await asyncio.sleep(_PAUSE_S)
