"""The scheduler: makes due what waits, takes over lapsed claims, prunes what is old; one is active."""

import asyncio
import time
from datetime import timedelta
from typing import Final

import structlog

from service.backlog.watch import Watch
from service.catalogue import statistics
from service.catalogue.guard import quotas
from service.context import Context
from service.deletions import wake
from service.errors import StartError, StorageRefusedError, StorageUnavailableError
from service.infra.postgres.sessions.advisory_locks import ProcessLock
from service.observing import metrics
from service.retention import running
from service.storage_check import schedule
from workers import housekeeping
from workers.runtime.loops import reopen_until, wait_for_any
from workers.runtime.signals import until_stopped
from workers.runtime.stand_by import stand_by

_PERIOD: Final = timedelta(seconds=1)
_WAKE_LIMIT: Final = 1_000
_PRUNE_LIMIT: Final = 10_000
_FOLD_LIMIT: Final = 10_000
_CHECK_PERIOD: Final = timedelta(seconds=10)
_QUOTA_PERIOD: Final = timedelta(seconds=5)
_RETENTION_PERIOD: Final = timedelta(seconds=2)
_CHECK_PAUSE: Final = timedelta(minutes=5)
"""Before a check that broke off is begun anew."""

log = structlog.get_logger()


async def run_scheduler(context: Context, stop: asyncio.Event) -> None:
    """Schedule until *stop*; the broker is not needed, since commands go to the outbox."""
    metrics.ACTIVE.labels("scheduler").set(0)
    async with asyncio.TaskGroup() as group:
        group.create_task(reopen_until(stop, lambda: _compete(context, stop)))
        # In a task of its own: it has to examine every object, however long that takes.
        group.create_task(reopen_until(stop, lambda: _check_when_due(context, stop)))
        # In a task of its own, too: a plan reads all packages of many projects.
        group.create_task(reopen_until(stop, lambda: _retain(context, stop)))


async def schedule_once(context: Context) -> int:
    """Do what is due now, one batch of each kind; return how much that was."""
    overdue = await wake.wake(context.deletions, limit=_WAKE_LIMIT)
    pruned = await housekeeping.prune(context.database, context.settings, limit=_PRUNE_LIMIT)
    await statistics.fold(context.database, limit=_FOLD_LIMIT)
    if overdue or pruned:
        log.info("scheduled", woken=overdue, pruned=pruned)
    return overdue + pruned


async def _compete(context: Context, stop: asyncio.Event) -> None:
    async with context.database.lock(ProcessLock.SCHEDULER) as lock:
        with context.vitals.loop("scheduler") as beat:
            await stand_by(lock, stop, process="scheduler", beat=beat)
        if not stop.is_set():
            await _schedule(context, stop)


async def _schedule(context: Context, stop: asyncio.Event) -> None:
    log.info("scheduler_active")
    with (
        context.vitals.loop("scheduler") as beat,
        metrics.active("scheduler"),
        Watch(context.database).exported() as watch,
    ):
        next_look = 0.0
        while not stop.is_set():
            full = await schedule_once(context) >= _WAKE_LIMIT
            if time.monotonic() >= next_look:
                await quotas.announce(context.database)
                next_look = time.monotonic() + _QUOTA_PERIOD.total_seconds()
            await watch.refresh()
            beat()
            if not full:
                await wait_for_any(stop, within=_PERIOD)


async def _retain(context: Context, stop: asyncio.Event) -> None:
    async with context.database.lock(ProcessLock.RETENTION) as lock:
        while not stop.is_set():
            has_more = False
            if await lock.acquire():
                has_more = await _carry_on(context, stop)
            if not has_more:
                await wait_for_any(stop, within=_RETENTION_PERIOD)


async def _carry_on(context: Context, stop: asyncio.Event) -> bool:
    """Carry runs of rules on, no longer than until *stop*; return whether there is more to do now."""
    found: list[bool] = []

    async def run() -> None:
        found.append(await running.carry_on(context.deletions))

    await until_stopped(stop, run())
    return any(found)


async def _check_when_due(context: Context, stop: asyncio.Event) -> None:
    async with context.database.lock(ProcessLock.SCHEDULED_CHECK) as lock:
        while not stop.is_set():
            pause = _CHECK_PERIOD
            if await lock.acquire() and await schedule.is_due(context.database, context.settings):
                pause = await _check(context, stop)
            await wait_for_any(stop, within=pause)


async def _check(context: Context, stop: asyncio.Event) -> timedelta:
    """Check, no longer than until *stop*; return the pause before the next check."""
    checking = schedule.run_scheduled_check(context.database, context.store, context.settings)
    try:
        await until_stopped(stop, checking)
    except (StartError, StorageUnavailableError, StorageRefusedError) as error:
        log.warning("storage_check_broke_off", reason=str(error))
        return _CHECK_PAUSE
    return _CHECK_PERIOD
