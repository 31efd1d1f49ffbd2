"""Searches by name beside the plain list of the same project, and what they cost all others."""

import asyncio
import time
from collections.abc import AsyncGenerator
from types import MappingProxyType
from typing import Final

import aiohttp

from tests.system.benchmarks.bench import TOKEN, Bench, Running, running
from tests.system.benchmarks.figures import ROUNDS, Result, Round, Side, Spread, load, ratios
from tests.system.benchmarks.load import Loaded, Target, measured_in_turn, requests_per_second
from tests.system.benchmarks.names import RARE
from tests.system.benchmarks.places import LISTED, TREE_PATH

_LIST: Final = f"/api/v4/projects/{LISTED}/packages"
_LETTER: Final = f"{_LIST}?package_name=b"
_WIDE: Final = f"/api/v4/groups/{TREE_PATH}/packages?package_name=b"
_SEARCHES: Final = MappingProxyType(
    {
        "search-rare": ("package_name= of a rare word", f"{_LIST}?package_name={RARE}", 0.4),
        "search-letter": ("package_name= of one letter", _LETTER, 0.3),
    }
)
_REPEATED: Final = "search-repeated"
_BESIDE: Final = "beside-searches"
SEARCHES: Final = (*_SEARCHES, _REPEATED, _BESIDE)

_ASKED: Final = 15
_BEFORE_GENERIC: Final = 5
"""PostgreSQL may take another plan from the sixth time on."""
_SEARCHERS: Final = 64


async def measure_searches(bench: Bench, names: set[str]) -> AsyncGenerator[Result]:
    """Measure those of SEARCHES that are named."""
    async with running(bench, "serve") as run:
        plain = Loaded("plain list", Target(run.url, [_LIST], TOKEN), run.groups())
        for name, (what, path, reach) in _SEARCHES.items():
            if name in names:
                product = Loaded(what, Target(run.url, [path], TOKEN), run.groups())
                yield await measured_in_turn(bench, name, product, plain, reach=reach)
        if _BESIDE in names:
            yield await _measure_beside(bench, run)
    if _REPEATED in names:
        yield await _measure_repeated(bench)


async def _measure_repeated(bench: Bench) -> Result:
    """Compare the first requests over new connections to the database with the later ones."""
    before = load()
    later, first = [], []
    for _ in range(ROUNDS):
        async with running(bench, "serve") as run, run.client() as client:
            times = [await _seconds(client, _LETTER) for _ in range(_ASKED)]
        first.append(Round(Spread.of(times[:_BEFORE_GENERIC]).median * 1_000))
        later.append(Round(Spread.of(times[_BEFORE_GENERIC:]).max * 1_000))
    return Result(
        case=_REPEATED,
        size=bench.size,
        packages=bench.packages,
        unit="ms",
        product=Side.of("one letter, the slowest from the sixth time on", later),
        reference=Side.of("the first five times", first),
        ratio=ratios(later, first, "ms"),
        load=(before, load()),
    )


async def _measure_beside(bench: Bench, run: Running) -> Result:
    """Measure how long others wait for `/version` while many search in a large group."""
    before = load()
    version = Target(run.url, ["/api/v4/version"], TOKEN)
    searches = Target(run.url, [_WIDE], TOKEN)
    idle, busy = [], []
    for _ in range(ROUNDS):
        idle.append(await requests_per_second(version, [], connections=4))
        searching = asyncio.create_task(
            requests_per_second(searches, [], connections=_SEARCHERS, seconds=4, may_be_refused=True)
        )
        await asyncio.sleep(1)
        busy.append(await requests_per_second(version, [], connections=4, may_be_refused=True))
        await searching
    product, reference = ([Round(each.p99_ms or 0.0) for each in rounds] for rounds in (busy, idle))
    return Result(
        case=_BESIDE,
        size=bench.size,
        packages=bench.packages,
        unit="ms",
        product=Side.of(f"/version, p99, while {_SEARCHERS} clients search a group", product),
        reference=Side.of("the same without them", reference),
        ratio=ratios(product, reference, "ms"),
        reach=0.5,
        load=(before, load()),
    )


async def _seconds(client: aiohttp.ClientSession, path: str) -> float:
    began = time.perf_counter()
    async with client.get(path) as answer:
        await answer.read()
    return time.perf_counter() - began
