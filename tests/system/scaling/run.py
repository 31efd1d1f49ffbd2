"""A backlog of bulk deletions, and workers that are scaled with it; what came of it, counted in several ways."""

import asyncio
import json
import re
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from service.settings import Settings, load_settings
from tests.support.catalogue import DIRECTORY
from tests.support.observer import rows
from tests.support.servers import private_servers
from tests.support.yard import Yard, eventually
from tests.system.scaling.manifest import read_scaling
from tests.system.scaling.scaler import Scaler

_LANE: Final = "bulk"
_AT_ONCE: Final = 10_000
"""Packages of one call of bulk_delete."""
_PATIENCE_S: Final = 1_800
_LOOK_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    deletions: int
    lost: int
    """Packages, files or objects that are still there, or deletions that did not succeed."""
    stuck: int
    """Deletions that are not over."""
    removed_twice: int
    """Objects that some worker removed that another had removed before."""
    taken_over: int
    """Claims that lapsed: workers that did not stop well."""
    took_part: int
    """Workers that removed any."""
    sizes: Sequence[int]
    rates: Mapping[int, float]
    """Workers -> deletions a second, over the time in which there were so many and work for them."""


class Trial:
    """A yard without workers, and a client."""

    def __init__(self, yard: Yard, session: aiohttp.ClientSession, folder: Path, management_url: str) -> None:
        self.yard = yard
        self.management_url = management_url
        self._session = session
        self._folder = folder
        self._asked = 0
        self.settings = load_settings(environment=yard.environment)

    async def ask_for(self, count: int) -> None:
        """Publish so many packages of one file, and ask for all of them to be deleted."""
        file = self._folder / "packages.ndjson"
        with file.open("w", encoding="utf-8") as lines:
            for number in range(self._asked + 1, self._asked + count + 1):
                content = [{"file_name": "app.bin", "content": f"bytes of {number}"}]
                package = {"project": "acme/open", "package_type": "generic", "name": f"app-{number}", "files": content}
                lines.write(json.dumps({**package, "id": number}) + "\n")
        await self.yard.run("import", str(file), within=_PATIENCE_S)
        for start in range(self._asked + 1, self._asked + count + 1, _AT_ONCE):
            ids = list(range(start, min(start + _AT_ONCE, self._asked + count + 1)))
            body = {"ids": ids, "reason": "a backlog"}
            async with self._session.post("/api/v4/projects/100/packages/bulk_delete", json=body) as answer:
                assert answer.status == 202, await answer.text()
        self._asked += count

    async def waiting(self) -> int:
        """Return how many deletions are not over."""
        (row,) = await self.rows("SELECT count(*) FROM deletion WHERE finished_at IS NULL")
        number: int = row["count"]
        return number

    async def rows(self, sql: str, *values: object) -> list[Mapping[str, int]]:
        """Ask the database."""
        found: list[Mapping[str, int]] = await rows(self.settings.database_url.get_secret_value(), sql, *values)
        return found

    async def outcome(self, scaler: Scaler, rates: Mapping[int, float]) -> Outcome:
        """Count what came of all deletions that were asked for."""
        (left,) = await self.rows(
            "SELECT (SELECT count(*) FROM package) + (SELECT count(*) FROM package_file)"
            " + (SELECT count(*) FROM deletion WHERE state <> 'succeeded')"
            " + $1 - (SELECT count(*) FROM deletion) AS lost",
            self._asked,
        )
        objects = sum(1 for path in (self._folder / "objects").rglob("*") if path.is_file())
        logs = [self.yard.log(name) for name in scaler.all_named()]
        removed = [sum(map(int, re.findall(r'"objects":(\d+),"event":"objects_removed"', log))) for log in logs]
        (attempts,) = await self.rows("SELECT coalesce(sum(attempts - 1), 0)::bigint AS more FROM deletion")
        return Outcome(
            deletions=self._asked,
            lost=left["lost"] + objects,
            stuck=await self.waiting(),
            removed_twice=sum(removed) - self._asked,
            took_part=sum(count > 0 for count in removed),
            taken_over=attempts["more"],
            sizes=scaler.sizes,
            rates=rates,
        )


@asynccontextmanager
async def open_trial(settings: Settings, management_url: str, folder: Path) -> AsyncGenerator[Trial]:
    """Start all processes but workers; what they keep goes into *folder*."""
    yard = Yard(settings, folder / "yard")
    yard.folder.mkdir()
    try:
        await yard.run("directory", "apply", str(DIRECTORY))
        await yard.start("serve", "relay", "schedule")
        headers = {"PRIVATE-TOKEN": "maintainer-token"}
        async with aiohttp.ClientSession(yard.base_url, headers=headers) as session:
            yield Trial(yard, session, folder, management_url)
    finally:
        await yard.aclose()


@asynccontextmanager
async def private_trial(**settings: str) -> AsyncGenerator[Trial]:
    """The same on servers of its own, with further settings."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with private_servers() as servers:
            environment = {
                "PACKYARD_DATABASE_URL": servers.postgres.url(),
                "PACKYARD_BROKER_URL": servers.rabbitmq.url(),
                "PACKYARD_STORAGE_URL": (folder / "objects").as_uri(),
                **{f"PACKYARD_{setting.upper()}": value for setting, value in settings.items()},
            }
            async with open_trial(
                load_settings(environment=environment), servers.rabbitmq.management_url, folder
            ) as trial:
                yield trial


async def scaled_run(trial: Trial, deletions: int, *, speed: float) -> Outcome:
    """Let workers follow a backlog, up and down; they have to log at the level debug."""
    scaling = read_scaling(_LANE)
    scaler = Scaler(scaling, trial.yard, trial.settings, lane=_LANE, management_url=trial.management_url, speed=speed)
    await trial.ask_for(deletions)
    rates = _Rates()
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(scaler.run(stop))
        drained = False
        while left := await trial.waiting():
            rates.note(len(scaler.working), left)
            if not drained and len(scaler.working) == scaling.most and rates.is_settled(scaling.most):
                await scaler.drain(scaling.most // 2)
                drained = True
            await asyncio.sleep(_LOOK_S)
        assert drained, scaler.sizes

        async def is_down() -> bool:
            return len(scaler.working) == scaling.least

        await eventually(is_down, within=_PATIENCE_S)
        stop.set()
    return await trial.outcome(scaler, rates.by_size())


async def fixed_run(deletions: int, workers: int) -> float:
    """Let so many workers do a backlog, as fast as they can; return deletions a second, from the first to the last."""
    async with private_trial() as trial:
        await trial.ask_for(deletions)
        names = [f"work-{number}" for number in range(workers)]
        await trial.yard.start(*names, options=("--queue", _LANE))
        while (left := await trial.waiting()) == deletions:
            await asyncio.sleep(0.02)
        began, first = time.monotonic(), left
        while await trial.waiting():
            await asyncio.sleep(0.05)
        return first / (time.monotonic() - began)


class _Rates:
    """Deletions a second, by how many workers there were."""

    def __init__(self) -> None:
        self._seen: tuple[float, int, int] | None = None
        self._done: Counter[int] = Counter()
        self._took: defaultdict[int, float] = defaultdict(float)

    def note(self, workers: int, left: int) -> None:
        """Note the current state."""
        now = time.monotonic()
        if self._seen and self._seen[1] == workers:
            self._took[workers] += now - self._seen[0]
            self._done[workers] += self._seen[2] - left
        self._seen = now, workers, left

    def is_settled(self, workers: int) -> bool:
        """Return whether so many workers have been at work for a while."""
        return self._took[workers] > 2 and self._done[workers] > 0

    def by_size(self) -> Mapping[int, float]:
        """Return the rates."""
        return {workers: self._done[workers] / took for workers, took in sorted(self._took.items()) if took > _LOOK_S}
