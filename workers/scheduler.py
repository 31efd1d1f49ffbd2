"""The scheduler: makes due what waits, takes over lapsed claims, prunes what is old; one is active."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from service import destruction, housekeeping, metrics
from service.context import Context
from service.figures import Watch
from service.infra.kept_sessions import Sole
from workers.loop import reopen_until, wait_for_any

_PERIOD: Final = timedelta(seconds=1)
_WAKE_AT_ONCE: Final = 1_000
_PRUNE_AT_ONCE: Final = 10_000

log = structlog.get_logger()


async def run_scheduler(context: Context, stop: asyncio.Event) -> None:
    """Schedule until *stop*; the broker is not needed, since commands go to the outbox."""
    metrics.ACTIVE.labels("scheduler").set(0)
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
        with context.vitals.loop("scheduler") as beat:
            while not stop.is_set() and not await sole.is_held():
                beat()
                await wait_for_any(stop, within=_PERIOD)
        if not stop.is_set():
            await _schedule(context, sole, stop)


async def _schedule(context: Context, sole: Sole, stop: asyncio.Event) -> None:
    log.info("scheduler_active")
    with context.vitals.loop("scheduler") as beat, metrics.active("scheduler"), Watch(context.database).told() as watch:
        while not stop.is_set() and await sole.is_held():
            full = await schedule_once(context) >= _WAKE_AT_ONCE
            await watch.look()
            beat()
            if not full:
                await wait_for_any(stop, within=_PERIOD)
