"""The scheduler: makes due what waits, takes over lapsed claims, prunes what is old; one is active."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from service import destruction, housekeeping
from service.context import Context
from workers.loop import reopen_until, wait_for_any

_PERIOD: Final = timedelta(seconds=1)
_WAKE_AT_ONCE: Final = 1_000
_PRUNE_AT_ONCE: Final = 10_000

log = structlog.get_logger()


async def run_scheduler(context: Context, stop: asyncio.Event) -> None:
    """Schedule until *stop*; the broker is not needed, since commands go to the outbox."""
    await reopen_until(stop, lambda: _compete(context, stop))


async def schedule_once(context: Context) -> int:
    """Do what is due now, one batch of each kind; return how much that was."""
    woken = await destruction.wake(context.database, resend=context.settings.resend, limit=_WAKE_AT_ONCE)
    pruned = await housekeeping.prune(context.database, context.settings, limit=_PRUNE_AT_ONCE)
    if woken or pruned:
        log.info("scheduled", woken=woken, pruned=pruned)
    return woken + pruned


async def _compete(context: Context, stop: asyncio.Event) -> None:
    async with context.database.sole("packyard.scheduler") as sole:
        while not stop.is_set():
            full = await sole.is_held() and await schedule_once(context) >= _WAKE_AT_ONCE
            if not full:
                await wait_for_any(stop, within=_PERIOD)
