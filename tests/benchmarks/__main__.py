"""`make bench`: how fast the main job is, on this machine, beside bare references measured in the same run.

Absolute figures depend on the machine and on what else it does; compare ratios.
"""

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import aiohttp
from rich.console import Console
from rich.table import Table

from service.settings import load_settings
from tests.support.catalogue import DIRECTORY
from tests.support.servers import private_servers
from tests.support.yard import Yard

_SINGLY: Final = 100
_BACKLOG: Final = 2_000
_LISTED: Final = 10_000
_REQUESTS: Final = 200
_PROJECT: Final = 100
_HEADERS: Final = {"PRIVATE-TOKEN": "maintainer-token"}


async def main() -> None:
    """Run every measurement on a yard of its own and print a table."""
    table = Table("what", "figure", "beside", "ratio")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with private_servers() as servers:
            settings = load_settings(
                environment={
                    "PACKYARD_DATABASE_URL": servers.postgres.url(),
                    "PACKYARD_BROKER_URL": servers.rabbitmq.url(),
                    "PACKYARD_STORAGE_URL": (folder / "objects").as_uri(),
                },
            )
            yard = Yard(settings, folder / "yard")
            yard.folder.mkdir()
            await yard.run("directory", "apply", str(DIRECTORY))
            seconds = await _timed(lambda: _import(yard, folder, _SINGLY + _BACKLOG, first=1))
            table.add_row("import, one small file each", f"{(_SINGLY + _BACKLOG) / seconds:,.0f} packages/s", "", "")
            await _import(yard, folder, _LISTED, first=100_000, files=False)
            await yard.start("serve", "relay", "schedule", "work")
            async with aiohttp.ClientSession(yard.base_url, headers=_HEADERS) as session:
                await _measure_lists(session, table)
                await _measure_single_deletions(session, folder, table)
                await _measure_backlog(yard, session, folder, table)
            await yard.aclose()
    Console().print(table)


async def _import(yard: Yard, folder: Path, count: int, *, first: int, files: bool = True) -> None:
    file = folder / "packages.ndjson"
    with file.open("w", encoding="utf-8") as lines:
        for number in range(first, first + count):
            package = {"id": number, "project": "acme/open", "package_type": "generic", "name": f"app-{number}"}
            content = [{"file_name": "app.bin", "content": f"bytes of {number}"}] if files else []
            lines.write(json.dumps({**package, "version": "1.0", "files": content}) + "\n")
    await yard.run("import", str(file))


async def _measure_lists(session: aiohttp.ClientSession, table: Table) -> None:
    bare = await _latencies(session, "/-/live")
    for what, parameters in {
        "list 20 of 12,100 packages": "",
        "list 20, by name, page 300": "?order_by=name&page=300",
        "list 20, fuzzy name": "?package_name=1007",
    }.items():
        found = await _latencies(session, f"/api/v4/projects/{_PROJECT}/packages{parameters}")
        table.add_row(
            what,
            f"{_ms(statistics.median(found))}, p95 {_ms(_p95(found))}",
            f"bare answer {_ms(statistics.median(bare))}",
            f"{statistics.median(found) / statistics.median(bare):.1f}",
        )


async def _measure_single_deletions(session: aiohttp.ClientSession, folder: Path, table: Table) -> None:
    accepted, gone = [], []
    for package_id in range(1, _SINGLY + 1):
        before = _objects(folder)
        began = time.perf_counter()
        await _delete(session, package_id)
        answered = time.perf_counter()
        while _objects(folder) == before:
            await asyncio.sleep(0.001)
        accepted.append(answered - began)
        gone.append(time.perf_counter() - answered)
    table.add_row("DELETE to 204", f"{_ms(statistics.median(accepted))}, p95 {_ms(_p95(accepted))}", "", "")
    table.add_row("204 to bytes gone", f"{_ms(statistics.median(gone))}, p95 {_ms(_p95(gone))}", "promise: 1 s", "")


async def _measure_backlog(yard: Yard, session: aiohttp.ClientSession, folder: Path, table: Table) -> None:
    await yard.terminate("work")
    backlog = range(_SINGLY + 1, _SINGLY + _BACKLOG + 1)
    began = time.perf_counter()
    for start in range(0, _BACKLOG, 8):
        async with asyncio.TaskGroup() as group:
            for package_id in backlog[start : start + 8]:
                group.create_task(_delete(session, package_id))
    accepted = time.perf_counter() - began
    table.add_row("DELETE, 8 at a time", f"{_BACKLOG / accepted:,.0f} deletions/s", "", "")
    began = time.perf_counter()
    await yard.start("work")
    while _objects(folder):
        await asyncio.sleep(0.01)
    worked = time.perf_counter() - began
    bare = await asyncio.to_thread(_remove_bare, folder / "bare")
    table.add_row(
        "one worker on that backlog, its start included",
        f"{_BACKLOG / worked:,.0f} deletions/s",
        f"bare unlink {_BACKLOG / bare:,.0f}/s",
        f"{bare / worked:.2f}",
    )


async def _delete(session: aiohttp.ClientSession, package_id: int) -> None:
    async with session.delete(f"/api/v4/projects/{_PROJECT}/packages/{package_id}") as answer:
        answer.raise_for_status()


async def _latencies(session: aiohttp.ClientSession, path: str) -> list[float]:
    found = []
    for _ in range(_REQUESTS):
        began = time.perf_counter()
        async with session.get(path) as answer:
            answer.raise_for_status()
            await answer.read()
        found.append(time.perf_counter() - began)
    return found


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


def _objects(folder: Path) -> int:
    # os.walk passes over folders that go away meanwhile.
    return sum(len(files) for _, _, files in os.walk(folder / "objects"))


def _remove_bare(folder: Path) -> float:
    folder.mkdir()
    for number in range(_BACKLOG):
        (folder / str(number)).write_bytes(b"bytes")
    began = time.perf_counter()
    for number in range(_BACKLOG):
        (folder / str(number)).unlink()
    return time.perf_counter() - began


def _p95(found: list[float]) -> float:
    return sorted(found)[int(len(found) * 0.95)]


def _ms(seconds: float) -> str:
    return f"{seconds * 1_000:.1f} ms"


if __name__ == "__main__":
    asyncio.run(main())
