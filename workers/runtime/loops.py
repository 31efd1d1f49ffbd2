"""Waiting that ends when the process has to stop, and sessions that are opened again when they break."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

import structlog

from service.errors import StartError
from service.infra.postgres.database import DatabaseUnavailableError
from service.infra.rabbitmq.consuming import BrokerUnavailableError

_NEW_OUTAGE_AFTER: Final = timedelta(seconds=30)
"""A session that lasted this long had worked, so its end is logged, even if the last one ended for the same reason."""

log = structlog.get_logger()


async def wait_for_any(*events: asyncio.Event, within: timedelta) -> None:
    """Return when one of *events* is set, or after that time."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=within.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiting:
            waiter.cancel()


async def together(*parts: Awaitable[None]) -> None:
    """Wait for all; a failure ends the others, and the first `StartError` is raised in place of all failures."""

    async def run(part: Awaitable[None]) -> None:
        await part

    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(run(part))
    except ExceptionGroup as failures:
        named = failures.subgroup(StartError)
        raise (named.exceptions[0] if named else failures) from None


async def reopen_until(
    stop: asyncio.Event,
    session: Callable[[], Awaitable[None]],
    *,
    pause: timedelta = timedelta(seconds=1),
    worked: timedelta = _NEW_OUTAGE_AFTER,
) -> None:
    """Run *session* again and again until *stop*; one that a dependency broke begins anew after a pause.

    Each outage is logged once for each reason; it is a new one when the session had *worked* that long.
    """
    clock = asyncio.get_running_loop().time
    known = ""
    while not stop.is_set():
        began = clock()
        try:
            await session()
        except* (*DatabaseUnavailableError, *BrokerUnavailableError) as broken:
            reason = _first_leaf(broken)
            if reason != known or clock() - began >= worked.total_seconds():
                log.warning("session_broken", reason=reason)
            known = reason
            await wait_for_any(stop, within=pause)


def _first_leaf(group: BaseException) -> str:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    text = str(group) or ("no answer in time" if isinstance(group, TimeoutError) else "no reason given")
    return f"{type(group).__name__}: {text}"
