"""Imports of many lines, with small files and without, beside a program that only copies."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tests.system.benchmarks.bench import Bench, Running, running
from tests.system.benchmarks.figures import Result, Round, Side, in_turn, load, ratios
from tests.system.benchmarks.names import packages_of
from tests.system.benchmarks.places import DELETABLE, DELETABLE_PATH
from tests.system.benchmarks.processes import watched_memory
from tests.system.benchmarks.servers import copied

_WHAT: Final = MappingProxyType({"import-files": "rows and small inline files", "import-rows": "metadata only"})
IMPORTS: Final = tuple(_WHAT)

_LINES: Final = 10_000
_UNIT: Final = "packages/s"
_MODULE: Final = "tests.system.benchmarks.bare_import"


async def measure_imports(bench: Bench, names: set[str]) -> AsyncGenerator[Result]:
    """Measure those of IMPORTS that are named."""
    for name in IMPORTS:
        if name in names:
            async with copied(bench.servers, bench.database) as database, running(bench, database=database) as run:
                yield await _measure(bench, run, name)


async def _measure(bench: Bench, run: Running, name: str) -> Result:
    before = load()
    memory: list[tuple[float, float]] = []
    one = _write_lines(run.yard.folder / "one.ndjson", name, "first", 1)
    start = (await _timed(run, "workers.cli", "import", str(one)))[0]

    async def product(number: int) -> Round:
        file = _write_lines(run.yard.folder / "many.ndjson", name, f"round-{number}", _LINES)
        seconds, *seen = await _timed(run, "workers.cli", "import", str(file))
        memory.append((seen[0], seen[1]))
        return Round(_LINES / (seconds - start))

    async def reference(number: int) -> Round:
        file = _write_lines(run.yard.folder / "bare.ndjson", name, f"round-{number}", _LINES)
        folder = run.yard.folder / "bare-objects"
        bare_start = (await _timed(run, _MODULE, run.database_url, str(folder), str(one)))[0]
        seconds, *_ = await _timed(run, _MODULE, run.database_url, str(folder), str(file))
        return Round(_LINES / (seconds - bare_start))

    ours, theirs = await in_turn(product, reference)
    return Result(
        case=name,
        size=bench.size,
        packages=bench.packages,
        unit=_UNIT,
        product=Side.of(f"packyard import, {_WHAT[name]}, without its start", ours),
        reference=Side.of("bare reading, checksums and COPY", theirs),
        ratio=ratios(ours, theirs, _UNIT),
        details={
            "start and one line, s": start,
            "memory early, MiB": max(early for early, _ in memory),
            "memory at most, MiB": max(most for _, most in memory),
        },
        load=(before, load()),
    )


def _write_lines(path: Path, name: str, prefix: str, count: int) -> Path:
    with path.open("w", encoding="utf-8") as lines:
        for number, (_, package, version, _) in enumerate(packages_of(DELETABLE, count)):
            files = [{"file_name": f"{number}.bin", "content": f"bytes of {number}"}]
            line = {
                "project": DELETABLE_PATH,
                "package_type": "generic",
                "name": f"{prefix}-{package.replace('/', '-').lstrip('@')}-{number}",
                "version": version,
                **({"files": files} if name == "import-files" else {}),
            }
            lines.write(f"{json.dumps(line)}\n")
    return path


async def _timed(run: Running, module: str, *arguments: str) -> tuple[float, float, float]:
    """Run a program to its end; return its seconds, and its memory early and at most."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        env={**run.yard.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with watched_memory(process.pid) as memory:
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return time.perf_counter() - began, memory.early, memory.most
