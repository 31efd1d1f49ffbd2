"""What people do one at a time: look at lists, and delete packages."""

import asyncio
import statistics
import time
from pathlib import Path
from typing import Final

from rich.table import Table

from tests.system.benchmarks.figures import ms, p95
from tests.system.benchmarks.yard import PROJECT, Bench

_SINGLY: Final = 100
_BACKLOG: Final = 2_000
_LISTED: Final = 10_000
_REQUESTS: Final = 200
_AT_ONCE: Final = 8


async def measure_singly(bench: Bench, table: Table) -> None:
    """Measure imports, lists, single deletions, and a backlog of them; all processes run then."""
    began = time.perf_counter()
    ids = await bench.import_packages(_SINGLY + _BACKLOG)
    rate = len(ids) / (time.perf_counter() - began)
    table.add_row("import, one small file each", f"{rate:,.0f} packages/s", "", "")
    await bench.import_packages(_LISTED, files=False, prefix="listed")
    await bench.yard.start("serve", "relay", "schedule", "work")
    await _measure_lists(bench, table)
    await _measure_single_deletions(bench, ids[:_SINGLY], table)
    await _measure_backlog(bench, ids[_SINGLY:], table)


async def _measure_lists(bench: Bench, table: Table) -> None:
    bare = await _latencies(bench, "/-/live")
    for what, parameters in {
        "list 20 of 12,100 packages": "",
        "list 20, by name, page 300": "?order_by=name&page=300",
        "list 20, fuzzy name": "?package_name=1007",
    }.items():
        found = await _latencies(bench, f"/api/v4/projects/{PROJECT}/packages{parameters}")
        table.add_row(
            what,
            f"{ms(statistics.median(found))}, p95 {ms(p95(found))}",
            f"bare answer {ms(statistics.median(bare))}",
            f"{statistics.median(found) / statistics.median(bare):.1f}",
        )


async def _measure_single_deletions(bench: Bench, ids: range, table: Table) -> None:
    accepted, gone = [], []
    for package_id in ids:
        before = bench.objects()
        began = time.perf_counter()
        await bench.delete(package_id)
        answered = time.perf_counter()
        while bench.objects() == before:
            await asyncio.sleep(0.001)
        accepted.append(answered - began)
        gone.append(time.perf_counter() - answered)
    table.add_row("DELETE to 204", f"{ms(statistics.median(accepted))}, p95 {ms(p95(accepted))}", "", "")
    table.add_row("204 to bytes gone", f"{ms(statistics.median(gone))}, p95 {ms(p95(gone))}", "promise: 1 s", "")


async def _measure_backlog(bench: Bench, ids: range, table: Table) -> None:
    await bench.yard.terminate("work")
    began = time.perf_counter()
    for start in range(0, len(ids), _AT_ONCE):
        async with asyncio.TaskGroup() as group:
            for package_id in ids[start : start + _AT_ONCE]:
                group.create_task(bench.delete(package_id))
    accepted = time.perf_counter() - began
    table.add_row(f"DELETE, {_AT_ONCE} at a time", f"{len(ids) / accepted:,.0f} deletions/s", "", "")
    began = time.perf_counter()
    await bench.yard.start("work")
    while bench.objects():
        await asyncio.sleep(0.01)
    worked = time.perf_counter() - began
    bare = await asyncio.to_thread(_remove_bare, bench.folder / "bare", len(ids))
    table.add_row(
        "one worker on that backlog, its start included",
        f"{len(ids) / worked:,.0f} deletions/s",
        f"bare unlink {len(ids) / bare:,.0f}/s",
        f"{bare / worked:.2f}",
    )


async def _latencies(bench: Bench, path: str) -> list[float]:
    found = []
    for _ in range(_REQUESTS):
        began = time.perf_counter()
        async with bench.session.get(path) as answer:
            answer.raise_for_status()
            await answer.read()
        found.append(time.perf_counter() - began)
    return found


def _remove_bare(folder: Path, count: int) -> float:
    folder.mkdir()
    for number in range(count):
        (folder / str(number)).write_bytes(b"bytes")
    began = time.perf_counter()
    for number in range(count):
        (folder / str(number)).unlink()
    return time.perf_counter() - began
