"""The work of many clients: publish, delete, delete single files, restore, publish again, try again."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from tests.system.faults.client import Client
from tests.system.faults.ledger import Ledger, Package
from tests.system.faults.stock import PROJECTS, Stock

Scene = Callable[[], Awaitable[None]]

_CLIENTS: Final = 16
_MADE_UP_S: Final = 5
_LARGEST: Final = 64 * 1024
_MANY: Final = 30
_STAYING: Final = 300
"""Packages that are never deleted, so that there is something that must not be touched."""


class Load:
    """A number of clients, each of which plays one scene after the other."""

    def __init__(
        self, client: Client, stock: Stock, ledger: Ledger, chance: random.Random, *, rate: float, grace: float
    ) -> None:
        self.may_ask = asyncio.Event()
        """Set as long as the deletions under way are not too many."""

        self.may_ask.set()
        self._client = client
        self._stock = stock
        self._ledger = ledger
        self._chance = chance
        self._pause = 1 / rate
        self._turn = time.monotonic()
        self._grace = grace
        self._number = 0
        self._staying = 0
        self._scenes: dict[Scene, int] = {
            self._delete: 70,
            self._delete_many: 2,
            self._delete_and_restore: 10,
            self._publish_again: 8,
            self._delete_files: 10,
            self._try_again: 1,
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Play until *stop*; every scene is played to its end."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_CLIENTS):
                group.create_task(self._play(stop))

    async def _play(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.may_ask.wait()
            await self._take_turn()
            (scene,) = self._chance.choices(list(self._scenes), list(self._scenes.values()))
            lost = self._lost()
            await scene()
            if self._lost() > lost:
                # The API is away, and clients that ask without a pause would only be in the way of its start.
                await asyncio.sleep(self._chance.uniform(0.1, 0.5))

    async def _take_turn(self) -> None:
        """Wait for one's turn, so that all together keep to the rate; a little of what was missed is made up for."""
        now = time.monotonic()
        self._turn = max(self._turn + self._pause, now - _MADE_UP_S)
        await asyncio.sleep(max(0.0, self._turn - now))

    async def _delete(self) -> None:
        package = await self._stock.take()
        if self._staying < _STAYING and self._chance.random() < 0.05:
            self._staying += 1
            return
        await self._client.delete(package)

    async def _delete_many(self) -> None:
        packages = [await self._stock.take() for _ in range(self._chance.randint(2, _MANY))]
        for _ in packages[1:]:
            await self._take_turn()
        deletions = await self._client.delete_many(packages)
        if deletions and self._chance.random() < 0.3:
            await asyncio.sleep(self._chance.choice((0, self._chance.uniform(0, 1.5 * self._grace))))
            for package in await self._client.restore_many(deletions):
                await self._leave_or_delete(package)

    async def _delete_and_restore(self) -> None:
        package = await self._stock.take()
        deletion_id = await self._client.delete(package)
        if deletion_id and await self._restore(package, deletion_id):
            await self._leave_or_delete(package)

    async def _publish_again(self) -> None:
        self._number += 1
        project_id = self._chance.choice(sorted(PROJECTS))
        name, version = f"published-{self._number % 53}", str(self._number)
        package = await self._client.put(project_id, name, version, self._contents())
        if package is None:
            return
        deletion_id = await self._client.delete(package)
        if deletion_id is None:
            return
        again = await self._client.put(project_id, name, version, self._contents(), after=package)
        if self._chance.random() < 0.3:
            # Refused as long as the name is taken by the newer one.
            await self._client.restore(package, deletion_id)
        if again:
            await self._leave_or_delete(again)

    async def _delete_files(self) -> None:
        package = await self._stock.take()
        files = sorted(package.files)[:50]
        doomed = self._chance.sample(files, self._chance.randint(1, min(3, len(files))))
        for file_id in doomed:
            deletion_id = await self._client.delete(package, file_id)
            if deletion_id and self._chance.random() < 0.3:
                await self._restore(package, deletion_id)
        if set(doomed) != set(package.files) and self._chance.random() < 0.7:
            deletion_id = await self._client.delete(package)
            if deletion_id and self._chance.random() < 0.3:
                await self._restore(package, deletion_id)

    async def _try_again(self) -> None:
        project_id = self._chance.choice(sorted(PROJECTS))
        for deletion in await self._client.failed(project_id):
            package = self._ledger.packages.get(deletion["package"]["id"])
            if self._chance.random() < 0.5:
                await self._client.retry(project_id, UUID(deletion["id"]))
            elif package and self._chance.random() < 0.3:
                # Another DELETE, which is refused where the first one was tried again in the meantime.
                self._ledger.deletes_in_doubt.add((package.id, None))
                await self._client.delete(package)

    async def _restore(self, package: Package, deletion_id: UUID) -> bool | None:
        await asyncio.sleep(self._chance.choice((0, self._chance.uniform(0, 1.5 * self._grace))))
        return await self._client.restore(package, deletion_id)

    async def _leave_or_delete(self, package: Package) -> None:
        if self._staying < _STAYING and self._chance.random() < 0.3:
            self._staying += 1
        else:
            self._stock.packages.append(package)

    def _contents(self) -> dict[str, bytes]:
        sizes = [self._chance.choice((10, 500, _LARGEST)) for _ in range(self._chance.choice((1, 1, 2, 3)))]
        return {f"{number}.bin": self._chance.randbytes(size) for number, size in enumerate(sizes)}

    def _lost(self) -> int:
        return sum(count for answer, count in self._ledger.answers.items() if answer.endswith("lost"))
