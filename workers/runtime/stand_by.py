"""How a process waits until it is the only one of its kind that works."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

from service.infra.postgres.sessions.kept import AdvisoryLock
from workers.runtime.loops import wait_for_any

_POLL: Final = timedelta(seconds=1)
"""How often the lock is tried."""

log = structlog.get_logger()


async def stand_by(lock: AdvisoryLock, stop: asyncio.Event, *, process: str, beat: Callable[[], None]) -> None:
    """Return when *lock* is ours, or *stop* is set; say once if the process that holds it does not work."""
    watch = _HolderWatch(lock, process)
    while not stop.is_set() and not await lock.acquire():
        beat()
        await watch.check()
        await wait_for_any(stop, within=_POLL)


class _HolderWatch:
    """Checks now and then whether the holder of a lock gives signs of life."""

    def __init__(self, lock: AdvisoryLock, process: str) -> None:
        self._lock = lock
        self._process = process
        self._clock = asyncio.get_running_loop().time
        self._active_at = self._next_check = self._clock()
        self._has_said_so = False

    async def check(self) -> None:
        """Check, if the last check was long enough ago."""
        if self._clock() < self._next_check:
            return
        self._next_check = self._clock() + self._lock.missed_s / 6
        holder = await self._lock.holder()
        if holder is not None and holder.silent_s is not None:
            self._active_at = self._clock() - holder.silent_s
        is_missed = self._clock() - self._active_at >= self._lock.missed_s
        if is_missed and not self._has_said_so:
            log.warning("nobody_active", missed=self._process, lock_held_by=str(holder) if holder else "nobody")
        self._has_said_so = is_missed
