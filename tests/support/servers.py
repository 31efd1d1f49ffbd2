"""The servers of a test run: started once by a guard process, gone with the run whatever happens to it.

`python -m tests.support.servers FOLDER PID` is the guard. It starts PostgreSQL, RabbitMQ and SeaweedFS in FOLDER,
and writes their addresses into servers.json. It ends them at a signal, or when PID, the run, is no more.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import asyncpg
import psutil

from service import event_loop
from service.infra.postgres.migrations.run import migrate
from tests.support.paths import ROOT
from tests.support.seaweed import ADMIN, READER, SeaweedFS
from workers.stack.files import write_private
from workers.stack.postgres import Postgres
from workers.stack.processes import end_leftovers
from workers.stack.rabbitmq import RabbitMQ, put_policies
from workers.stack.state import StackState

TEMPLATE: Final = "packyard_template"

_PATIENCE_S: Final = 60
_GLANCE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Servers:
    """Where the servers of this run are, with the rights of their administrators."""

    database_url: str
    """A database from which others can be created; that of a test is a copy of TEMPLATE."""

    broker_url: str
    """The virtual host /; that of a test is its own."""

    management_url: str
    """The broker's HTTP API, with user and password."""

    s3_endpoint: str
    """The S3 server; its bucket is BUCKET."""

    s3_filer_url: str
    """Where what the S3 server stores can be seen without S3."""

    s3_secret: str
    """The secret of who may do everything there; the access key is ADMIN."""

    s3_reader_secret: str
    """The secret of who may only read there; the access key is READER."""


@dataclass(frozen=True, slots=True)
class PrivateServers:
    """Servers of one test alone, which it may stop, kill and start again: same ports, same data."""

    folder: Path
    postgres: Postgres
    rabbitmq: RabbitMQ


@asynccontextmanager
async def private_servers(folder: Path | None = None) -> AsyncGenerator[PrivateServers]:
    """Give a migrated PostgreSQL and a RabbitMQ that no other test uses; *folder* is made and removed."""
    own = folder or Path(tempfile.mkdtemp(prefix="packyard-test-"))
    own.mkdir(exist_ok=True)
    state = StackState(own / "stack.json")
    servers = PrivateServers(own, Postgres(own, state, durable=False), RabbitMQ(own, state))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_start_and_migrate(servers.postgres))
            group.create_task(servers.rabbitmq.start())
        yield servers
    finally:
        await servers.postgres.kill()
        await servers.rabbitmq.kill()
        await asyncio.to_thread(shutil.rmtree, own, ignore_errors=True)


def run_folder(controller: int) -> Path:
    """Return the folder of the servers of the run whose first process is *controller*."""
    began = round(psutil.Process(controller).create_time() * 100)
    return Path(tempfile.gettempdir()) / f"packyard-run-{controller}-{began}"


def postgres_log(controller: int) -> Path:
    """Return the log of the run's PostgreSQL; there is none if the run was given a server."""
    return run_folder(controller) / "logs" / "postgres.log"


def servers_of_run(controller: int) -> Servers:
    """Return the servers of the run, starting them at the first call in any of its processes."""
    folder = run_folder(controller)
    with suppress(FileExistsError):
        folder.mkdir()
        with (folder / "guard.log").open("wb") as log:
            guard = subprocess.Popen(
                [sys.executable, "-m", "tests.support.servers", folder, str(controller)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        write_private(folder / "guard.pid", str(guard.pid))
        guard.returncode = 0  # the run's end waits for it, not this object
    return Servers(**_awaited(folder))


def end_servers_of_run(controller: int) -> None:
    """End the servers of the run, if any were started, and return when they are gone."""
    folder = run_folder(controller)
    with suppress(FileNotFoundError, psutil.NoSuchProcess):
        guard = psutil.Process(int((folder / "guard.pid").read_text(encoding="utf-8")))
        guard.terminate()
        guard.wait(_PATIENCE_S)
    shutil.rmtree(folder, ignore_errors=True)


def _awaited(folder: Path) -> dict[str, str]:
    deadline = time.monotonic() + _PATIENCE_S
    while not (folder / "servers.json").exists():
        failed = (folder / "failed").exists()
        if failed or time.monotonic() > deadline:
            log = (folder / "guard.log").read_text(encoding="utf-8")
            raise RuntimeError(f"the servers of the run did not start: {log}")
        time.sleep(_GLANCE_S)
    found: dict[str, str] = json.loads((folder / "servers.json").read_text(encoding="utf-8"))
    return found


async def _start_and_migrate(postgres: Postgres) -> None:
    await postgres.start()
    await asyncio.to_thread(migrate, postgres.url())


async def _start(folder: Path, stack: AsyncExitStack) -> Servers:
    given = {name: value for name, value in os.environ.items() if name.startswith("PACKYARD_")}  # noqa: TID251 - a run's own
    state = StackState(folder / "stack.json")
    database_url, broker_url = given.get("PACKYARD_DATABASE_URL", ""), given.get("PACKYARD_BROKER_URL", "")
    management_url = _usual_management(broker_url)
    seaweed = SeaweedFS(folder, state)
    stack.push_async_callback(seaweed.kill)
    async with asyncio.TaskGroup() as group:
        if not database_url:
            postgres = Postgres(folder, state, durable=False)
            stack.push_async_callback(postgres.kill)
            database_url = postgres.url("postgres")
            group.create_task(postgres.start())
        if not broker_url:
            rabbitmq = RabbitMQ(folder, state)
            stack.push_async_callback(rabbitmq.kill)
            broker_url, management_url = rabbitmq.url(), rabbitmq.management_url
            group.create_task(rabbitmq.start())
        group.create_task(seaweed.start())
    return Servers(
        database_url,
        broker_url,
        management_url,
        s3_endpoint=seaweed.endpoint,
        s3_filer_url=seaweed.filer_url,
        s3_secret=seaweed.secret(ADMIN),
        s3_reader_secret=seaweed.secret(READER),
    )


def _usual_management(broker_url: str) -> str:
    parts = urlsplit(broker_url)
    return f"http://{parts.username}:{parts.password}@{parts.hostname}:15672" if broker_url else ""


async def _make_template(servers: Servers) -> None:
    connection = await asyncpg.connect(servers.database_url)
    try:
        await connection.execute(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {TEMPLATE}")
    finally:
        await connection.close()
    await asyncio.to_thread(migrate, database_in(servers.database_url, TEMPLATE))


@asynccontextmanager
async def own_database(servers: Servers) -> AsyncGenerator[str]:
    """Give the address of a migrated, empty database that nobody else uses; it is dropped at the end."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(servers.database_url)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        yield database_in(servers.database_url, name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@asynccontextmanager
async def own_virtual_host(servers: Servers) -> AsyncGenerator[str]:
    """Give the address of an empty virtual host that nobody else uses; it is deleted at the end."""
    name = f"test-{uuid4().hex}"
    async with aiohttp.ClientSession(servers.management_url, raise_for_status=True) as session:
        await session.put(f"/api/vhosts/{name}")
        await put_policies(servers.management_url, name)
        yield f"{servers.broker_url.rpartition('/')[0]}/{name}"
        await session.delete(f"/api/vhosts/{name}")


def database_in(url: str, name: str) -> str:
    """Return the address of another database on the same server."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


async def _guard(folder: Path, watched: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with AsyncExitStack() as stack:
            servers = await _start(folder, stack)
            await _make_template(servers)
            write_private(folder / "servers.json", json.dumps(asdict(servers)))
            while not stop.is_set() and psutil.pid_exists(watched):
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await stop.wait()
    except BaseException:
        (folder / "failed").touch()
        raise
    await end_leftovers(folder)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    event_loop.run(_guard(Path(sys.argv[1]), int(sys.argv[2])))
