"""Load on an HTTP server, made by wrk: our own client would be the slowest part."""

import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.system.benchmarks.bench import Bench
from tests.system.benchmarks.figures import Result, Round, Side, in_turn, load, ratios
from tests.system.benchmarks.processes import Group, cpu_by_group, cpu_spent

REQUESTS: Final = "requests/s"

_SCRIPT: Final = Path(__file__).with_name("wrk.lua")


class LoadError(Exception):
    """The load met answers that it should not have met."""


@dataclass(frozen=True, slots=True)
class Target:
    """The requests: paths in turn, with header fields."""

    base_url: str
    paths: Sequence[str]
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"


@dataclass(frozen=True, slots=True)
class Loaded:
    """One of two things that are compared under load, and the processes that it costs."""

    what: str
    target: Target
    groups: Sequence[Group]


async def measured_in_turn(
    bench: Bench, case: str, product: Loaded, reference: Loaded, *, reach: float | None, connections: int = 16
) -> Result:
    """Measure the rates of both by turns, after a short load that is not counted."""
    before = load()

    async def measured(side: Loaded, seconds: int = 2) -> Round:
        return await requests_per_second(side.target, side.groups, connections=connections, seconds=seconds)

    await measured(product, 1)
    await measured(reference, 1)
    ours, theirs = await in_turn(lambda _: measured(product), lambda _: measured(reference))
    return Result(
        case=case,
        size=bench.size,
        packages=bench.packages,
        unit=REQUESTS,
        product=Side.of(product.what, ours),
        reference=Side.of(reference.what, theirs),
        ratio=ratios(ours, theirs, REQUESTS),
        reach=reach,
        load=(before, load()),
    )


async def requests_per_second(
    target: Target,
    groups: Sequence[Group],
    *,
    connections: int = 16,
    seconds: int = 2,
    may_be_refused: bool = False,
) -> Round:
    """Request as fast as so many connections can; return the rate, latencies, and CPU for one request by group.

    Raises:
        LoadError: a connection broke, or an answer was an error; *may_be_refused* lets errors pass that have a status.
    """
    before = cpu_by_group(groups)
    found = await _wrk(target, connections, seconds)
    if found["broken"] or (found["refused"] and not may_be_refused):
        raise LoadError(f"{target.method} {target.paths[0]}: {found}")
    if not found["requests"]:
        # The round was too short for a single answer.
        return Round(0.0, seconds * 1_000, seconds * 1_000, dict.fromkeys(before, 0.0))
    return Round(
        found["requests"] / found["seconds"],
        found["p50_ms"],
        found["p99_ms"],
        cpu_spent(groups, before, found["requests"]),
    )


async def _wrk(target: Target, connections: int, seconds: int) -> dict[str, float]:
    with tempfile.NamedTemporaryFile("w", suffix=".paths") as paths:
        paths.write("".join(f"{path}\n" for path in target.paths))
        paths.flush()
        headers = [part for name, value in target.headers.items() for part in ("-H", f"{name}: {value}")]
        process = await asyncio.create_subprocess_exec(
            *("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", *headers),
            *("-s", str(_SCRIPT), target.base_url, "--", paths.name, target.method),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    lines = output.decode().strip().splitlines()
    if process.returncode or not lines or not lines[-1].startswith("{"):
        raise LoadError(f"wrk ended with {process.returncode}: {output.decode()}")
    found: dict[str, float] = json.loads(lines[-1])
    return found
