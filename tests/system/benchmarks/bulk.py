"""Many at once, and somebody who deletes one package meanwhile."""

import asyncio
import statistics
import time
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from rich.table import Table

from tests.system.benchmarks.figures import ms, p95
from tests.system.benchmarks.yard import PROJECT, Bench

_A_CALL: Final = 10_000
_CLICKS: Final = 100
_PAUSE_S: Final = 0.1
_PACKAGES: Final = f"/api/v4/projects/{PROJECT}/packages"
_OF_BULK: Final = {"package_name": "bulk-"}


async def measure_bulk(bench: Bench, table: Table, count: int) -> None:
    """Delete *count* packages with bulk_delete, 10,000 a call; all processes run."""
    for _ in range(0, count, _A_CALL):
        await bench.import_packages(min(_A_CALL, count), prefix="bulk")
    disk = bench.bytes()
    began = time.perf_counter()
    planned = await _ask(bench, dry_run=True)
    table.add_row("bulk_delete, dry run", f"{time.perf_counter() - began:.2f} s", "", "")
    told = f"{planned['bytes']:,} bytes"
    await bench.statements()
    began = time.perf_counter()
    asked = sum([(await _ask(bench, expected_count=min(_A_CALL, count)))["packages"] for _ in range(0, count, _A_CALL)])
    answered = time.perf_counter() - began
    of_answer = await bench.statements()
    clicks = asyncio.ensure_future(_click(bench))
    gone = await _all_gone(bench, began)
    of_rest = await bench.statements()
    if count <= _A_CALL:
        table.add_row("its bytes", told, f"on the disk {disk:,}", f"{planned['bytes'] / disk:.3f}")
    table.add_row(f"bulk_delete of {asked:,}, until answered", f"{answered:.2f} s", f"{of_answer:,} statements", "")
    table.add_row("until all are gone", f"{gone:.1f} s", f"{of_rest:,} statements", f"{of_rest / asked:.2f} a deletion")
    found = await clicks
    table.add_row(
        f"{len(found)} single deletions meanwhile, 204 to bytes gone",
        f"{ms(statistics.median(found))}, p95 {ms(p95(found))}, longest {ms(max(found))}",
        "wanted: p95 below 5 s",
        "",
    )


async def _ask(bench: Bench, **options: object) -> dict[str, Any]:
    async with bench.session.post(f"{_PACKAGES}/bulk_delete", json={"filter": _OF_BULK, **options}) as answer:
        answer.raise_for_status()
        found: dict[str, Any] = await answer.json()
        return found


async def _all_gone(bench: Bench, began: float) -> float:
    left = "SELECT count(*) AS number FROM deletion WHERE lane = 'bulk' AND finished_at IS NULL"
    while (await bench.query(left))[0]["number"]:
        await asyncio.sleep(0.1)
    return time.perf_counter() - began


async def _click(bench: Bench) -> list[float]:
    """Publish and delete one package after the other, as long as the bulk is under way, but not for ever."""
    found: list[float] = []
    under_way = "SELECT EXISTS (SELECT FROM deletion WHERE lane = 'bulk' AND finished_at IS NULL) AS yes"
    while len(found) < _CLICKS and (await bench.query(under_way))[0]["yes"]:
        file = f"{_PACKAGES}/generic/clicked/{uuid4()}/app.bin?select=package_file"
        async with bench.session.put(file, data=b"bytes") as answer:
            answer.raise_for_status()
            package_id = (await answer.json())["package_id"]
        (row,) = await bench.query("SELECT storage_key FROM package_file WHERE package_id = $1", package_id)
        path: Path = bench.folder / "objects" / row["storage_key"]
        await bench.delete(package_id)
        answered = time.perf_counter()
        while path.exists():
            await asyncio.sleep(0.001)
        found.append(time.perf_counter() - answered)
        await asyncio.sleep(_PAUSE_S)
    return found
