"""Deletions one at a time: how many are accepted, and how long until the bytes are gone, idle and beside a bulk."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from tests.system.benchmarks.bench import TOKEN, Bench, Running, child, listening, running
from tests.system.benchmarks.cases.bulk import PROCESSES, accept_bulk
from tests.system.benchmarks.deletable import add_deletable, objects_left
from tests.system.benchmarks.figures import ROUNDS, Result, Round, Side, Spread, in_turn, load, percentile, ratios
from tests.system.benchmarks.load import REQUESTS, Target, requests_per_second
from tests.system.benchmarks.places import DELETABLE
from tests.system.benchmarks.processes import Group
from tests.system.benchmarks.servers import copied
from workers.stack.state import LOOPBACK, free_port

_ACCEPT: Final = "delete-accept"
_GONE: Final = "delete-gone"
SINGLE: Final = (_ACCEPT, _GONE)

_AT_ONCE: Final = 8
_MOST_PER_S: Final = 5_000
"""More than this are not accepted in a second."""
_SECONDS: Final = 2
_CLICKS: Final = 60
_PAUSE_S: Final = 0.05
_GLANCE_S: Final = 0.001
_BULK: Final = 100_000
_ALONE_S: Final = 6
_A_CALL: Final = 10_000
_Done = TypeVar("_Done")
_PACKAGES: Final = f"/api/v4/projects/{DELETABLE}/packages"


async def measure_single(bench: Bench, names: set[str]) -> AsyncGenerator[Result]:
    """Measure those of SINGLE that are named."""
    # A copy for each: workers would first carry out the thousands of deletions that were only accepted.
    if _ACCEPT in names:
        async with copied(bench.servers, bench.database) as database:
            yield await _measure_accepting(bench, database)
    if _GONE in names:
        async with (
            copied(bench.servers, bench.database) as database,
            running(bench, *PROCESSES, database=database, with_broker=True) as run,
        ):
            yield await _measure_gone(bench, run)


async def _measure_accepting(bench: Bench, database: str) -> Result:
    before = load()
    port, count = free_port(), _MOST_PER_S * _SECONDS
    async with running(bench, "serve", database=database) as run:
        ids = await add_deletable(run.database_url, run.objects, count * ROUNDS, prefix="single")
        module = "tests.system.benchmarks.bare_accept"
        arguments = (str(port), run.database_url, str(2 * count * ROUNDS))
        async with child(run.yard.folder, "bare-accept", module, *arguments) as pid:
            await listening(port)

            async def accepted(url: str, paths: Sequence[str], groups: Sequence[Group]) -> Round:
                target = Target(url, paths, TOKEN, "DELETE")
                return await requests_per_second(target, groups, connections=_AT_ONCE, seconds=_SECONDS)

            def product(number: int) -> asyncio.Task[Round]:
                paths = [f"{_PACKAGES}/{each}" for each in ids[number * count : (number + 1) * count]]
                return asyncio.create_task(accepted(run.url, paths, run.groups()))

            groups = [Group("bare", pid), *bench.servers.groups()]
            checked: list[Round] = []

            async def reference(number: int) -> Round:
                first = 2 * number * count + 1
                url = f"http://{LOOPBACK}:{port}"
                paths = [f"/checked/{each}" for each in range(first + count, first + 2 * count)]
                checked.append(await accepted(url, paths, groups))
                return await accepted(url, [f"/{each}" for each in range(first, first + count)], groups)

            ours, theirs = await in_turn(product, reference)
    return Result(
        case=_ACCEPT,
        size=bench.size,
        packages=bench.packages,
        unit=REQUESTS,
        product=Side.of(f"DELETE, {_AT_ONCE} at a time, one API process", ours),
        reference=Side.of("bare transaction", theirs),
        ratio=ratios(ours, theirs, REQUESTS),
        reach=0.60,
        details={
            "bare with token, rules and whole record": Spread.of([each.figure for each in checked]).median,
            "ratio to that": ratios(ours, checked, REQUESTS).median,
            "CPU of that, ms": Side.of("checked", checked).cpu,
        },
        load=(before, load()),
    )


async def _measure_gone(bench: Bench, run: Running) -> Result:
    """Measure the time from 204 to the bytes gone, alone and while 100,000 are deleted together."""
    before = load()
    idle = await _clicks(run, "idle")
    await add_deletable(run.database_url, run.objects, _BULK, prefix="crowd")
    asking = asyncio.create_task(_ask_for_all(run))
    while objects_left(run.objects) == _BULK:
        await asyncio.sleep(_GLANCE_S)
    # The bulk slows down while its calls are accepted, so it is compared with itself, just before and just after.
    _, before_clicks = await _with_rate(run, asyncio.sleep(_ALONE_S))
    busy, meanwhile = await _with_rate(run, _clicks(run, "busy"))
    _, after_clicks = await _with_rate(run, asyncio.sleep(_ALONE_S))
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    product, reference = ([Round(percentile(times, 0.95) * 1_000)] for times in (busy, idle))
    return Result(
        case=_GONE,
        size=bench.size,
        packages=bench.packages,
        unit="ms",
        product=Side.of(f"204 to bytes gone, p95, while a bulk of {_BULK:,} runs", product),
        reference=Side.of("the same, idle", reference),
        ratio=ratios(product, reference, "ms"),
        reach=0.25,
        details={
            **{f"idle, p{part}, ms": percentile(idle, part / 100) * 1_000 for part in (50, 95, 99)},
            **{f"beside, p{part}, ms": percentile(busy, part / 100) * 1_000 for part in (50, 95, 99)},
            "bulk meanwhile, packages/s": meanwhile,
            "bulk before and after, packages/s": (before_clicks + after_clicks) / 2,
        },
        load=(before, load()),
    )


async def _with_rate(run: Running, work: Awaitable[_Done]) -> tuple[_Done, float]:
    """Return the result of *work*, and how many objects of the bulk went in each second of it."""
    left, began = objects_left(run.objects), time.perf_counter()
    done = await work
    return done, (left - objects_left(run.objects)) / (time.perf_counter() - began)


async def _clicks(run: Running, prefix: str) -> list[float]:
    """Delete packages one after the other; return the seconds from each answer to the last byte."""
    ids = await add_deletable(run.database_url, run.objects, _CLICKS, prefix=prefix)
    keys = await run.query("SELECT package_id, storage_key FROM package_file WHERE package_id = ANY($1::bigint[])", ids)
    paths = {row["package_id"]: run.objects / row["storage_key"] for row in keys}
    found = []
    async with run.client() as client:
        for package_id in ids:
            async with client.delete(f"{_PACKAGES}/{package_id}"):
                answered = time.perf_counter()
            while paths[package_id].exists():
                await asyncio.sleep(_GLANCE_S)
            found.append(time.perf_counter() - answered)
            await asyncio.sleep(_PAUSE_S)
    return found


async def _ask_for_all(run: Running) -> None:
    async with run.client() as client:
        for _ in range(0, _BULK, _A_CALL):
            await accept_bulk(client, "crowd")
