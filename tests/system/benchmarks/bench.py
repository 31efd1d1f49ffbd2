"""The context of cases: the servers, the catalogue of one size, and the processes that are measured."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import aiohttp
import asyncpg

from service.infra.storage.opening import open_store
from tests.support.yard import Yard
from tests.system.benchmarks import places
from tests.system.benchmarks.bare_reads import Plan
from tests.system.benchmarks.figures import Round
from tests.system.benchmarks.processes import Group, cpu_by_group, cpu_spent
from tests.system.benchmarks.servers import Servers
from workers.stack.processes import Child, Program
from workers.stack.state import LOOPBACK, free_port

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

TOKEN: Final = MappingProxyType({"PRIVATE-TOKEN": places.MAINTAINER})

_NOT_OURS: Final = {"content-length", "date", "server"}
"""Header fields that aiohttp adds to each answer."""
_PATIENCE_S: Final = 20
_PROGRAM_S: Final = 300
_GLANCE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Bench:
    """The catalogue that is measured, and its servers."""

    servers: Servers
    size: str
    packages: int
    database: str
    """The kept database; cases that change anything take a copy."""
    folder: Path
    """A folder of this run."""


class Running:
    """The processes of one catalogue, on a database; the API is among them or not."""

    def __init__(self, yard: Yard, servers: Servers, objects: Path, database_url: str) -> None:
        self.yard = yard
        self.objects = objects
        self.database_url = database_url
        self._servers = servers
        self._names: list[str] = []

    @property
    def url(self) -> str:
        """The address of the API."""
        return self.yard.base_url

    async def start(self, *names: str, settings: Mapping[str, str] | None = None) -> None:
        """Start processes by the names of their commands."""
        await self.yard.start(*names, settings=settings)
        self._names += names

    def groups(self) -> list[Group]:
        """Return what costs CPU: each process and each server."""
        return [Group(name, self.yard.pid(name)) for name in self._names] + self._servers.groups()

    def client(self) -> aiohttp.ClientSession:
        """Return a client of the maintainer, to be closed."""
        return aiohttp.ClientSession(self.url, headers=TOKEN, raise_for_status=True)

    async def query(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Ask the database."""
        connection = await asyncpg.connect(self.database_url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return rows
        finally:
            await connection.close()


@asynccontextmanager
async def running(
    bench: Bench, *names: str, database: str | None = None, with_broker: bool = False
) -> AsyncGenerator[Running]:
    """Start the named processes on the kept database or another; end them afterwards."""
    folder = bench.folder / f"run-{free_port()}"
    folder.mkdir(parents=True)
    objects = folder / "objects"
    settings = await bench.servers.settings(database or bench.database, objects, with_broker=with_broker)
    await open_store(settings).adopt()
    yard = Yard(settings, folder)
    found = Running(yard, bench.servers, objects, settings.database_url.get_secret_value())
    try:
        if names:
            await found.start(*names)
        yield found
    finally:
        await yard.aclose()


@asynccontextmanager
async def bare_program(
    run: Running, routes: Mapping[str, tuple[str, Mapping[str, str]]]
) -> AsyncGenerator[tuple[str, Group]]:
    """Serve the bare answers; *routes*: name of a route -> path and headers with which the API answers the same."""
    headers, bodies = {}, {}
    async with aiohttp.ClientSession(run.url, raise_for_status=True) as session:
        for name, (path, given) in routes.items():
            async with session.get(path, headers=given) as answer:
                headers[name] = {key: value for key, value in answer.headers.items() if key.lower() not in _NOT_OURS}
                bodies[name] = await answer.text()
    plan = Plan(free_port(), run.database_url, run.url, headers, {"version": bodies.get("version", "")})
    file = run.yard.folder / "bare.json"
    file.write_text(json.dumps(asdict(plan)), encoding="utf-8")
    module = "tests.system.benchmarks.bare_reads"
    async with child(run.yard.folder, "bare", module, str(file)) as pid:
        url = f"http://{LOOPBACK}:{plan.port}"
        await listening(plan.port)
        yield url, Group("bare", pid)


@asynccontextmanager
async def child(folder: Path, name: str, module: str, *arguments: str) -> AsyncGenerator[int]:
    """Run a module of ours as a process; give its id."""
    command: Sequence[str] = [sys.executable, "-m", module, *arguments]
    process = Child(Program(name=name, arguments=command, folder=folder, patience=timedelta(seconds=5)))
    process.start()
    assert process.pid is not None
    try:
        yield process.pid
    finally:
        await process.stop()


async def timed_program(bench: Bench, run: Running, module: str, plan: "DataclassInstance", *, count: int) -> Round:
    """Run a bare program that prepares itself, and does *count* things when a line comes; *plan* is its argument."""
    file = run.yard.folder / f"{module}.json"
    file.write_text(json.dumps(asdict(plan)), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"tests.system.benchmarks.{module}", str(file)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    async with asyncio.timeout(_PROGRAM_S):
        assert await process.stdout.readline() == b"ready\n"
        groups = [Group("bare", process.pid), *bench.servers.groups()]
        before = cpu_by_group(groups)
        process.stdin.write(b"\n")
        seconds = json.loads(await process.stdout.readline())["seconds"]
        cpu_ms = cpu_spent(groups, before, count)
        await process.wait()
    return Round(count / seconds, cpu_ms=cpu_ms)


async def listening(port: int, *, within_s: float = _PATIENCE_S) -> None:
    """Return when something listens on the port."""
    async with asyncio.timeout(within_s):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(LOOPBACK, port)
                writer.close()
                return
            await asyncio.sleep(_GLANCE_S)
