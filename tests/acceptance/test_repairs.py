"""kill -9 in the middle of a repair, again and again: what is live stays, and the next repair goes on."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from service.infra.storage.interface import new_key
from service.infra.storage.opening import open_store
from service.settings import Settings
from tests.support.buckets import keys_seen
from tests.support.observer import rows
from tests.support.servers import Servers
from tests.support.yard import Yard

_LIVE: Final = 50
_ORPHANS: Final = 900
_GLANCE_S: Final = 0.002


class _Scene:
    """A yard with files and objects that nobody refers to, whose repairs are killed."""

    def __init__(self, yard: Yard, settings: Settings, servers: Servers) -> None:
        self.yard = yard
        self._settings = settings
        self._servers = servers
        self.live: set[str] = set()
        self.orphans: set[str] = set()

    async def fill(self, folder: Path) -> None:
        files = [{"file_name": str(place), "content": str(place)} for place in range(_LIVE)]
        package = {"project": "acme/open", "package_type": "npm", "name": "app", "version": "1", "files": files}
        (folder / "packages.ndjson").write_text(json.dumps(package), encoding="utf-8")
        await self.yard.run("import", str(folder / "packages.ndjson"))
        self.live = await self.seen()
        store = open_store(self._settings)
        self.orphans = {new_key(100) for _ in range(_ORPHANS)}
        for key in self.orphans:
            await store.put(key, _bytes())

    async def seen(self) -> set[str]:
        return await keys_seen(self._settings, self._servers.s3_filer_url)

    async def noted(self) -> tuple[int, int]:
        """Return how many objects are noted as taken aside, and how many of them as moved."""
        (row,) = await rows(
            self._settings.database_url.get_secret_value(),
            "SELECT count(*) AS noted, count(moved_at) AS moved FROM quarantined_object",
        )
        return row["noted"], row["moved"]

    async def kill_a_repair(self, when: Callable[[], Awaitable[bool]], **settings: str) -> bool:
        """Begin a repair and kill it at that moment, or a little later; return whether that was before its end."""
        await self.yard.start("check", options=("--repair",), settings=settings)
        while self.yard.running("check") and not await when():
            await asyncio.sleep(_GLANCE_S)
        await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311 - where in the repair the kill falls
        was_running = self.yard.running("check")
        await self.yard.kill("check")
        return was_running

    async def repair(self, **settings: str) -> dict[str, Any]:
        """Repair to the end; return the figures of a clean yard."""
        output = await self.yard.run("check", "--repair", "--json", settings=settings)
        figures: dict[str, Any] = json.loads(output.splitlines()[-1])["figures"]
        return figures


@pytest.mark.timeout(300)
async def test_a_repair_that_is_killed_again_and_again_loses_nothing(
    yard_of_each_store: Yard, settings_of_each_store: Settings, servers: Servers, tmp_path: Path
) -> None:
    scene = _Scene(yard_of_each_store, settings_of_each_store, servers)
    scene.yard.environment = {**scene.yard.environment, "PACKYARD_ORPHAN_AGE": "1ms"}
    await scene.fill(tmp_path)
    in_the_middle = 0

    # On their way into quarantine: noted, being moved, moved but not noted as that.
    for place in range(4):
        (noted, moved), wanted = await scene.noted(), place % 2

        async def has_gone_on(before: tuple[int, int] = (noted, moved), place: int = wanted) -> bool:
            return (await scene.noted())[place] > before[place]

        await scene.kill_a_repair(has_gone_on)
        in_the_middle += (await scene.noted())[1] < _ORPHANS
        seen = await scene.seen()
        assert scene.live <= seen
        assert {key.removeprefix("quarantine/") for key in seen} == scene.live | scene.orphans
        print(f"killed with noted and moved {await scene.noted()} of {_ORPHANS}")  # noqa: T201 - what was hit
    assert in_the_middle

    figures = await scene.repair()
    assert (figures["in_quarantine"], figures["orphaned"], figures["missing"]) == (_ORPHANS, 0, 0)
    assert await scene.seen() == scene.live | {f"quarantine/{key}" for key in scene.orphans}
    assert await scene.noted() == (_ORPHANS, _ORPHANS)

    # On their way out: some gone, some not, none of it noted.
    async def is_removing() -> bool:
        return len(await scene.seen()) < _LIVE + _ORPHANS

    killed = await scene.kill_a_repair(is_removing, PACKYARD_QUARANTINE_RETENTION="1ms")
    left = await scene.seen()
    print(f"killed while removing: {killed}, {len(left) - _LIVE} left of {_ORPHANS}")  # noqa: T201 - what was hit
    assert scene.live <= left

    await scene.repair(PACKYARD_QUARANTINE_RETENTION="1ms")
    figures = await scene.repair(PACKYARD_QUARANTINE_RETENTION="1ms")
    assert (figures["objects"], figures["files"], figures["in_quarantine"]) == (_LIVE, _LIVE, 0)
    assert await scene.seen() == scene.live
    assert await scene.noted() == (0, 0)


async def _bytes() -> AsyncIterator[bytes]:
    yield b"bytes"
