"""Many packages by bulk_delete, until they are gone and their events are with the broker, beside the bare deleter."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from schemas.http.bulk import MOST_PACKAGES
from tests.system.benchmarks.bare_deletion import Plan
from tests.system.benchmarks.bench import Bench, Running, running, timed_program
from tests.system.benchmarks.deletable import add_deletable, objects_left
from tests.system.benchmarks.figures import Result, Round, Side, in_turn, load, ratios
from tests.system.benchmarks.places import DELETABLE
from tests.system.benchmarks.processes import cpu_by_group, cpu_spent
from tests.system.benchmarks.servers import copied

BULK: Final = ("bulk",)
PROCESSES: Final = ("serve", "relay", "work", "schedule")

_COUNT: Final = 20_000
_ENDED: Final = "SELECT EXISTS (SELECT FROM deletion WHERE finished_at IS NULL) AS left"
_UNPUBLISHED: Final = """
SELECT (SELECT count(*) FROM outbox WHERE published_at IS NULL)
     + (SELECT i.sequence - c.published FROM instance i, event_cursor c) AS left
"""
_GLANCE_S: Final = 0.05
_PROBE_S: Final = 0.01
_PATIENCE_S: Final = 300


async def measure_bulk(bench: Bench, names: set[str]) -> AsyncGenerator[Result]:
    """Delete 20,000 packages of one file by one worker, again and again."""
    before = load()
    seen = _Seen()
    async with (
        copied(bench.servers, bench.database) as database,
        running(bench, *PROCESSES, database=database, with_broker=True) as run,
    ):

        async def product(number: int) -> Round:
            await add_deletable(run.database_url, run.objects, _COUNT, prefix=f"bulk{number}")
            return await _delete(run, f"bulk{number}", seen)

        ours, theirs = await in_turn(product, lambda _: _delete_bare(bench, run))
    yield Result(
        case="bulk",
        size=bench.size,
        packages=bench.packages,
        unit="packages/s",
        product=Side.of(f"bulk_delete of {_COUNT:,}, one worker, until gone, events confirmed", ours),
        reference=Side.of("bare asyncpg and aio-pika", theirs),
        ratio=ratios(ours, theirs, "packages/s"),
        reach=0.6,
        details={
            "answer to 10,000, s": max(seen.answers),
            "longest wait for another answer, ms": max(seen.waits) * 1_000,
            "write-ahead log, bytes a package": max(seen.log_bytes) / _COUNT,
        },
        load=(before, load()),
    )


@dataclass(slots=True)
class _Seen:
    """Observations from the rounds of the product."""

    answers: list[float] = field(default_factory=list)
    """Seconds until a call was answered."""
    waits: list[float] = field(default_factory=list)
    """Seconds that small requests took in that time."""
    log_bytes: list[float] = field(default_factory=list)
    """Bytes of write-ahead log of a round."""


async def _delete(run: Running, prefix: str, seen: _Seen) -> Round:
    groups = run.groups()
    log_begin = await log_position(run)
    before = cpu_by_group(groups)
    began = time.perf_counter()
    async with run.client() as client, asyncio.timeout(_PATIENCE_S):
        probing = asyncio.create_task(_probe(run.url, seen.waits))
        for _ in range(0, _COUNT, MOST_PACKAGES):
            asked = time.perf_counter()
            await accept_bulk(client, prefix)
            seen.answers.append(time.perf_counter() - asked)
        probing.cancel()
        await until_gone(run)
    seconds = time.perf_counter() - began
    cpu_ms = cpu_spent(groups, before, _COUNT)
    seen.log_bytes.append(await log_position(run) - log_begin)
    assert objects_left(run.objects) == 0
    return Round(_COUNT / seconds, cpu_ms=cpu_ms)


async def log_position(run: Running) -> float:
    """Return how many bytes of write-ahead log there were until now."""
    (row,) = await run.query("SELECT pg_current_wal_lsn() - '0/0' AS position")
    return float(row["position"])


async def accept_bulk(client: aiohttp.ClientSession, prefix: str) -> dict[str, Any]:
    """Ask for the deletion of the next 10,000 packages that have *prefix*."""
    body = {"filter": {"package_name": f"{prefix}-"}, "expected_count": MOST_PACKAGES}
    async with client.post(f"/api/v4/projects/{DELETABLE}/packages/bulk_delete", json=body) as answer:
        found: dict[str, Any] = await answer.json()
    assert answer.status in {200, 202}, found
    return found


async def until_gone(run: Running) -> None:
    """Return when all deletions have ended and the broker has confirmed all their events."""
    for sql in (_ENDED, _UNPUBLISHED):
        while (await run.query(sql))[0]["left"]:
            await asyncio.sleep(_GLANCE_S)


async def _probe(url: str, waits: list[float]) -> None:
    """Ask for a small answer again and again: how long it takes shows how long the event loop was taken."""
    async with aiohttp.ClientSession(url, raise_for_status=True) as session:
        while True:
            began = time.perf_counter()
            async with session.get("/-/live") as answer:
                await answer.read()
            waits.append(time.perf_counter() - began)
            await asyncio.sleep(_PROBE_S)


async def _delete_bare(bench: Bench, run: Running) -> Round:
    broker = await bench.servers.broker()
    plan = Plan(run.database_url, broker.url(), str(run.yard.folder / "bare-objects"), _COUNT)
    return await timed_program(bench, run, "bare_deletion", plan, count=_COUNT)
