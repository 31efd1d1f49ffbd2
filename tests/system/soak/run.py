"""A soak: clients against real processes for a while, then storage and database, checked in three ways."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from service.settings import Settings
from tests.support.buckets import keys_seen
from tests.support.catalogue import DIRECTORY
from tests.support.observer import rows
from tests.support.yard import Yard, eventually
from tests.system.soak.client import Client

_CLIENTS: Final = 8
_WORKERS: Final = ("work", "work-2")
_HEADERS: Final = {"PRIVATE-TOKEN": "maintainer-token"}
_PATIENCE: Final = aiohttp.ClientTimeout(total=60)
_SETTLING_S: Final = 120
_BETWEEN_CHECKS_S: Final = 10


@dataclass(slots=True)
class Outcome:
    """How a soak ended."""

    seconds: float = 0
    done: Counter[str] = field(default_factory=Counter)
    """The acts of clients -> how often."""
    failures: list[str] = field(default_factory=list)
    """Answers that clients should not have got."""
    checks: int = 0
    """Repairs that were made in that time."""
    found: list[str] = field(default_factory=list)
    """The faults that these found."""
    orphans: int = -1
    """Objects without a file in the end, as `packyard check` says."""
    seen_orphans: int = -1
    """The same, by a walk over the storage and plain SQL."""
    seen_missing: int = -1
    """Files whose objects that walk did not see."""
    figures: Mapping[str, int] = field(default_factory=dict)
    """All figures of that check."""
    told_wrong: str = ""
    """How the statistics of the project differ from its rows."""

    @property
    def is_well(self) -> bool:
        """Whether nothing was wrong at any time."""
        return not (
            self.failures or self.found or self.orphans or self.seen_orphans or self.seen_missing or self.told_wrong
        )


@asynccontextmanager
async def soaked_yard(settings: Settings, folder: Path) -> AsyncGenerator[Yard]:
    """Start all processes, with two workers."""
    yard = Yard(settings, folder)
    folder.mkdir()
    try:
        await yard.run("directory", "apply", str(DIRECTORY))
        await yard.start("serve", "relay", "schedule", *_WORKERS)
        yield yard
    finally:
        await yard.aclose()


async def soak(yard: Yard, settings: Settings, filer_url: str, *, seconds: float, seed: int) -> Outcome:
    """Let clients work for that long, settle, and check what is left."""
    outcome = Outcome()
    began = time.monotonic()
    limitless = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        yard.base_url, headers=_HEADERS, connector=limitless, timeout=_PATIENCE
    ) as session:
        clients = [Client(session, number, seed) for number in range(_CLIENTS)]
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(_work(client, until=began + seconds))
            group.create_task(_keep_checking(yard, outcome, until=began + seconds))
        outcome.seconds = time.monotonic() - began
        await settle(settings)
        for client in clients:
            await client.look()
            outcome.done += client.done
            outcome.failures += client.failures
        async with session.get("/api/v4/projects/100/package_statistics") as answer:
            statistics = await answer.json()
    await look_at(yard, settings, filer_url, outcome, statistics)
    return outcome


async def _work(client: Client, *, until: float) -> None:
    while time.monotonic() < until:
        await client.turn()


async def _keep_checking(yard: Yard, outcome: Outcome, *, until: float) -> None:
    while True:
        lines = await _check(yard, "--repair")
        outcome.checks += 1
        outcome.found += [json.dumps(line) for line in lines[:-1]]
        if time.monotonic() + _BETWEEN_CHECKS_S > until:
            return
        await asyncio.sleep(_BETWEEN_CHECKS_S)


async def settle(settings: Settings) -> None:
    """Wait until every deletion has ended."""
    database_url = settings.database_url.get_secret_value()

    async def has_settled() -> bool:
        return not await rows(database_url, "SELECT FROM deletion WHERE finished_at IS NULL LIMIT 1")

    await eventually(has_settled, within=_SETTLING_S)


async def look_at(
    yard: Yard, settings: Settings, filer_url: str, outcome: Outcome, statistics: Mapping[str, Any]
) -> None:
    """Compare storage, rows and statistics when all has settled."""
    *findings, summary = await _check(yard, "--verify", settings={"PACKYARD_ORPHAN_AGE": "1ms"})
    outcome.figures = summary["figures"]
    outcome.orphans = summary["figures"]["orphaned"] + summary["figures"]["in_quarantine"]
    outcome.found += [json.dumps(finding) for finding in findings]
    seen = await keys_seen(settings, filer_url)
    files = await rows(settings.database_url.get_secret_value(), "SELECT storage_key, size FROM package_file")
    keys = {row["storage_key"] for row in files}
    outcome.seen_orphans, outcome.seen_missing = len(seen - keys), len(keys - seen)
    told = (statistics["files"], statistics["logical_bytes"], statistics["physical_bytes"])
    size = sum(row["size"] for row in files)
    if told != (len(files), size, size):
        outcome.told_wrong = f"{told} instead of {(len(files), size, size)}"


async def _check(yard: Yard, *arguments: str, settings: Mapping[str, str] | None = None) -> Sequence[Mapping[str, Any]]:
    """Check, whatever it finds; return its lines, the last of which has the figures."""
    output = await yard.run("check", "--json", *arguments, settings=settings, status=None, within=_SETTLING_S)
    return [json.loads(line) for line in output.splitlines()]
