"""KEDA's part on one machine: it reads the figures that a ScaledObject names, and starts and stops worker processes."""

import asyncio
import itertools
import random
from collections.abc import Sequence
from urllib.parse import quote, unquote, urlsplit

import aiohttp
import asyncpg

from service.settings import Settings
from tests.support.yard import Yard
from tests.system.scaling.autoscaler import Autoscaler
from tests.system.scaling.manifest import QueryTrigger, QueueTrigger, Scaling


class Scaler:
    """The workers of one lane; time passes *speed* times as fast as in a cluster."""

    def __init__(
        self, scaling: Scaling, yard: Yard, settings: Settings, *, lane: str, management_url: str, speed: float
    ) -> None:
        self.sizes: list[int] = []
        """How many workers there should be, at each change."""

        self._scaling = scaling
        self._yard = yard
        self._options = ("--queue", lane)
        self._names = (f"work-{number}" for number in itertools.count(1))
        self._working: list[str] = []
        self._speed = speed
        self._vhost = unquote(urlsplit(settings.broker_url.get_secret_value()).path[1:])
        self._database_url = settings.database_url.get_secret_value()
        self._management_url = management_url

    @property
    def working(self) -> Sequence[str]:
        """The workers that were not asked to stop."""
        return self._working

    def all_named(self) -> list[str]:
        """Return the names of all workers that there ever were."""
        return [f"work-{number}" for number in range(1, int(next(self._names).partition("-")[2]))]

    async def run(self, stop: asyncio.Event) -> None:
        """Scale until *stop*; workers that were asked to stop have ended well when this returns."""
        autoscaler = Autoscaler(self._scaling)
        loop = asyncio.get_running_loop()
        async with (
            aiohttp.ClientSession(self._management_url, raise_for_status=True) as management,
            asyncio.TaskGroup() as group,
        ):
            database = await asyncpg.connect(self._database_url)
            try:
                await self._set(self._scaling.least, group)
                while not stop.is_set():
                    figures = [await self._look(trigger, management, database) for trigger in self._scaling.triggers]
                    now = loop.time() * self._speed
                    await self._set(autoscaler.decide(now, len(self._working), figures), group)
                    await asyncio.sleep(self._scaling.poll_s / self._speed)
            finally:
                await database.close()

    async def drain(self, count: int) -> None:
        """Stop some workers from outside, as a node does that is drained; others take their place immediately."""
        leaving = self._take(count)
        async with asyncio.TaskGroup() as group:
            for _ in leaving:
                await self._start()
            group.create_task(self._yard.terminate(*leaving))

    async def _look(
        self, trigger: QueueTrigger | QueryTrigger, management: aiohttp.ClientSession, database: asyncpg.Connection
    ) -> tuple[float, int]:
        if isinstance(trigger, QueryTrigger):
            return await database.fetchval(trigger.query), trigger.per_worker
        async with management.get(f"/api/queues/{quote(self._vhost, safe='')}/{trigger.queue}") as answer:
            # As KEDA's scaler does: `messages` holds those that workers have, too. A queue without statistics has none.
            return (await answer.json()).get("messages", 0), trigger.per_worker

    async def _set(self, number: int, group: asyncio.TaskGroup) -> None:
        if number != len(self._working):
            self.sizes.append(number)
        while len(self._working) < number:
            await self._start()
        # Nobody can choose which pod goes.
        for name in self._take(len(self._working) - number):
            group.create_task(self._yard.terminate(name))

    async def _start(self) -> None:
        name = next(self._names)
        await self._yard.start(name, options=self._options)
        self._working.append(name)

    def _take(self, count: int) -> list[str]:
        leaving = random.sample(self._working, max(0, count))
        for name in leaving:
            self._working.remove(name)
        return leaving
