"""The API as a process: how soon it is ready, and how much memory it takes."""

import time
from collections.abc import AsyncGenerator
from typing import Final

from tests.system.benchmarks.bench import TOKEN, Bench, bare_program, running
from tests.system.benchmarks.figures import Result, Round, Side, in_turn, load, ratios
from tests.system.benchmarks.load import Target, requests_per_second
from tests.system.benchmarks.places import LISTED
from tests.system.benchmarks.processes import memory_of, watched_memory

_START: Final = "start"
_MEMORY: Final = "memory"
API_PROCESS: Final = (_START, _MEMORY)

_LIST: Final = f"/api/v4/projects/{LISTED}/packages"
_ROUTES: Final = {"version": ("/api/v4/version", TOKEN)}
_CLIENTS: Final = 64
_SECONDS: Final = 5


async def measure_api_process(bench: Bench, names: set[str]) -> AsyncGenerator[Result]:
    """Measure those of API_PROCESS that are named."""
    if _START in names:
        yield await _measure_start(bench)
    if _MEMORY in names:
        yield await _measure_memory(bench)


async def _measure_start(bench: Bench) -> Result:
    before = load()

    async def product(_: int) -> Round:
        async with running(bench) as run:
            began = time.perf_counter()
            await run.start("serve")
            return Round(time.perf_counter() - began)

    async with running(bench, "serve") as serving:

        async def reference(_: int) -> Round:
            began = time.perf_counter()
            async with bare_program(serving, _ROUTES):
                return Round(time.perf_counter() - began)

        ours, theirs = await in_turn(product, reference)
    return Result(
        case=_START,
        size=bench.size,
        packages=bench.packages,
        unit="s",
        product=Side.of("packyard serve, from its start until it is ready", ours),
        reference=Side.of("bare aiohttp and asyncpg, until it listens", theirs),
        ratio=ratios(ours, theirs, "s"),
        load=(before, load()),
    )


async def _measure_memory(bench: Bench) -> Result:
    """Measure the API's memory at rest and while many list, both in one run."""
    before = load()
    async with running(bench, "serve") as run, bare_program(run, _ROUTES) as (_, bare):
        pid = run.yard.pid("serve")
        rest = memory_of(pid)
        async with watched_memory(pid) as memory:
            await requests_per_second(Target(run.url, [_LIST], TOKEN), [], connections=_CLIENTS, seconds=_SECONDS)
        theirs = [Round(memory_of(bare.pid))]
    return Result(
        case=_MEMORY,
        size=bench.size,
        packages=bench.packages,
        unit="MiB",
        product=Side.of("the API at rest", [Round(rest)]),
        reference=Side.of("bare aiohttp and asyncpg", theirs),
        ratio=ratios([Round(rest)], theirs, "MiB"),
        details={f"while {_CLIENTS} clients list, at most, MiB": memory.most},
        load=(before, load()),
    )
