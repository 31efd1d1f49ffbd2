"""`make churn`: delete millions of packages in rounds; shows whether the last round is as fast as the first.

Each round adds packages of one small object, deletes them by bulk_delete, and waits until all is gone and the broker
has confirmed all events. The product prunes its records all the time. The names are the same in each round.
"""

import argparse
import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import aiohttp
from rich.console import Console

from schemas.http.bulk import MOST_PACKAGES
from schemas.messages.topology import EVENTS_LOG
from service import event_loop
from tests.system.benchmarks.bench import Bench, Running, running
from tests.system.benchmarks.cases.bulk import PROCESSES, accept_bulk, log_position, until_gone
from tests.system.benchmarks.deletable import add_deletable, objects_left
from tests.system.benchmarks.processes import MIB, cpu_by_group, cpu_spent, memory_of
from tests.system.benchmarks.servers import copied, make_catalogue, open_servers

_CATALOGUE: Final = 15_000
"""Packages that stay."""
_PREFIX: Final = "churn"
_ROUNDS_A_DAY: Final = 5
"""After so many rounds the log of events is emptied, as if its day was over and dropped."""
_AT_AN_END: Final = 5
"""How many rounds at the beginning and at the end are compared."""
_SETTINGS: Final = MappingProxyType({"PACKYARD_DELETION_RETENTION": "60s", "PACKYARD_OUTBOX_RETENTION": "60s"})
"""Records are pruned by the scheduler, as they are after months."""
_STREAM: Final = MappingProxyType({"max-length-bytes": 200_000_000, "stream-max-segment-size-bytes": 50_000_000})
_POLICY: Final = "packyard-churn"
_PATIENCE_S: Final = 900
_TABLES: Final = ("package", "package_file", "deletion", "outbox", "package_statistic_change")
_SIZES: Final = """
SELECT relname AS name, n_dead_tup AS dead, pg_total_relation_size(relid) AS bytes
  FROM pg_stat_user_tables WHERE relname = ANY($1::text[]) ORDER BY array_position($1::text[], relname::text)
"""

say = Console(highlight=False, width=190, soft_wrap=True).print


@dataclass(frozen=True, slots=True)
class Round:
    """The figures of one round."""

    rate: float
    """Packages a second, from the first call until the last confirm."""
    cpu_ms: dict[str, float]
    """For one package, by process."""
    log_bytes: float
    """Write-ahead log for one package."""
    table_bytes: int
    """The size of the tables that deletion churns, with their indexes."""


async def churn(folder: Path, packages: int, size: int) -> list[Round]:
    """Delete *packages* in rounds of *size* on servers in *folder*; print a line for each round, and return them."""
    found: list[Round] = []
    async with open_servers(folder) as servers:
        database = await make_catalogue(servers, _CATALOGUE)
        with tempfile.TemporaryDirectory(prefix="packyard-churn-") as name:
            bench = Bench(servers, "10k", _CATALOGUE, database, Path(name))
            broker = await servers.broker()
            async with (
                _short_stream(broker.management_url),
                copied(servers, database) as copy,
                running(bench, database=copy, with_broker=True) as run,
            ):
                await run.start(*PROCESSES, settings=_SETTINGS)
                for number in range(1, packages // size + 1):
                    found.append(await _round(run, size))
                    await _report(run, number * size, found[-1], folder)
                    if number % _ROUNDS_A_DAY == 0:
                        await run.query("TRUNCATE event_log")
    return found


async def _round(run: Running, size: int) -> Round:
    await add_deletable(run.database_url, run.objects, size, prefix=_PREFIX)
    groups, log_begin = run.groups(), await log_position(run)
    before, began = cpu_by_group(groups), time.perf_counter()
    async with run.client() as client, asyncio.timeout(_PATIENCE_S):
        for _ in range(0, size, MOST_PACKAGES):
            await accept_bulk(client, _PREFIX)
        await until_gone(run)
    seconds = time.perf_counter() - began
    cpu_ms = cpu_spent(groups, before, size)
    assert objects_left(run.objects) == 0
    tables = await run.query(_SIZES, _TABLES)
    log_bytes = (await log_position(run) - log_begin) / size
    return Round(size / seconds, cpu_ms, log_bytes, sum(row["bytes"] for row in tables))


async def _report(run: Running, packages: int, found: Round, folder: Path) -> None:
    """Print the round: its rate and costs, then the size of each table with its dead rows, memory and disk."""
    cpu = ", ".join(f"{name} {value:.2f}" for name, value in found.cpu_ms.items())
    tables = await run.query(_SIZES, _TABLES)
    sizes = ", ".join(f"{row['name']} {row['bytes'] / MIB:.0f} ({row['dead']:,} dead)" for row in tables)
    memory = ", ".join(f"{group.name} {memory_of(group.pid):.0f}" for group in run.groups() if group.name in PROCESSES)
    used = await asyncio.to_thread(_bytes_below, folder)
    free = shutil.disk_usage(folder).free
    say(
        f"{packages:,}: {found.rate:,.0f}/s, CPU ms {sum(found.cpu_ms.values()):.2f} ({cpu}),"
        f" log {found.log_bytes:,.0f} bytes; MiB of tables: {sizes}; memory: {memory};"
        f" servers' files {used / MIB:,.0f}, free {free / MIB:,.0f}"
    )


def _bytes_below(folder: Path) -> int:
    # Servers remove files at any time.
    return sum(size for path in folder.rglob("*") if (size := _size(path)))


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


@asynccontextmanager
async def _short_stream(management_url: str) -> AsyncGenerator[None]:
    """Have the broker keep few events, so that its disk does not fill."""
    policy = {"pattern": f"^{EVENTS_LOG}$", "apply-to": "queues", "priority": 20, "definition": dict(_STREAM)}
    address = f"/api/policies/%2F/{_POLICY}"
    async with aiohttp.ClientSession(management_url) as session:
        async with session.put(address, json=policy) as answer:
            assert answer.status in {201, 204}, await answer.text()
        try:
            yield
        finally:
            await session.delete(address)


def _compare(rounds: Sequence[Round]) -> None:
    part = min(_AT_AN_END, len(rounds) // 2)
    if part == 0:
        return
    for name, ends in (("first", rounds[:part]), ("last", rounds[-part:])):
        rate = statistics.median(each.rate for each in ends)
        cpu = statistics.median(sum(each.cpu_ms.values()) for each in ends)
        tables = statistics.median(each.table_bytes for each in ends) / MIB
        say(f"{name} {part} rounds: {rate:,.0f}/s, {cpu:.2f} ms of CPU a package, {tables:,.0f} MiB of tables")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="tests.system.benchmarks.churn")
    parser.add_argument("--packages", type=int, default=5_000_000, help="how many packages are deleted in all")
    parser.add_argument("--round", type=int, default=100_000, help="how many at a time, in calls of 10,000")
    parser.add_argument("--folder", type=Path, default=Path(".packyard-bench"), help="the servers and catalogues, kept")
    given = parser.parse_args()
    _compare(event_loop.run(churn(given.folder.resolve(), given.packages, given.round)))


if __name__ == "__main__":
    main()
