"""Uploads under limits, beside the same uploads without any: what the guard of uploads costs."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Final

import aiohttp

from tests.system.benchmarks.bench import Bench, Running, running
from tests.system.benchmarks.figures import Result, Round, Side, in_turn, load, ratios
from tests.system.benchmarks.places import DELETABLE
from tests.system.benchmarks.processes import cpu_by_group, cpu_spent
from tests.system.benchmarks.servers import copied

GUARD: Final = ("upload-guarded",)

_UNIT: Final = "uploads/s"
_UPLOADS: Final = 600
_AT_ONCE: Final = 8
_LIMITS: Final = (
    (
        "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_push)"
        " SELECT $1, 'generic', 'core-' || n || '-*', 50 FROM generate_series(1, 5) n"
    ),
    "INSERT INTO storage_quota (project_id, bytes, enforce) SELECT $1, 1::bigint << 50, true",
    (
        "INSERT INTO storage_quota (group_id, bytes, enforce) SELECT g.ancestry[1], 1::bigint << 50, true"
        " FROM project p JOIN directory_group g ON g.id = p.group_id WHERE p.id = $1"
    ),
    "INSERT INTO name_rule (project_id, package_type, mode) SELECT $1, 'any', 'never'",
)
_NO_LIMITS: Final = ("DELETE FROM protection_rule", "DELETE FROM storage_quota", "DELETE FROM name_rule")


async def measure_guard(bench: Bench, names: set[str]) -> AsyncGenerator[Result]:
    """Measure uploads of small generic packages with rules of every kind, and without."""
    if not names & {*GUARD}:
        return
    before = load()
    async with copied(bench.servers, bench.database) as database, running(bench, "serve", database=database) as run:
        await _round(run, "first", -1)

        async def product(number: int) -> Round:
            for limit in _LIMITS:
                await run.query(limit, DELETABLE)
            return await _round(run, "guarded", number)

        async def reference(number: int) -> Round:
            for removal in _NO_LIMITS:
                await run.query(removal)
            return await _round(run, "free", number)

        ours, theirs = await in_turn(product, reference)
    yield Result(
        case=GUARD[0],
        size=bench.size,
        packages=bench.packages,
        unit=_UNIT,
        product=Side.of("uploads below two quotas, five protection rules and a rule for names", ours),
        reference=Side.of("the same without limits", theirs),
        ratio=ratios(ours, theirs, _UNIT),
        load=(before, load()),
    )


async def _round(run: Running, prefix: str, number: int) -> Round:
    groups = run.groups()
    paths = [
        f"/api/v4/projects/{DELETABLE}/packages/generic/{prefix}-{number}-{each}/1.0/file.bin"
        for each in range(_UPLOADS)
    ]
    async with run.client() as client:
        costs, began = cpu_by_group(groups), time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for place in range(_AT_ONCE):
                tasks.create_task(_upload(client, paths[place::_AT_ONCE]))
        seconds = time.perf_counter() - began
        return Round(_UPLOADS / seconds, cpu_ms=cpu_spent(groups, costs, _UPLOADS))


async def _upload(client: aiohttp.ClientSession, paths: list[str]) -> None:
    for path in paths:
        async with client.put(path, data=b"bytes") as answer:
            await answer.read()
