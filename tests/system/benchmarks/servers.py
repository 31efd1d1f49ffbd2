"""The servers of a bench: one PostgreSQL, kept, with a database for each catalogue, and a broker of the run."""

import asyncio
import fcntl
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg

from service.infra.postgres.migrations.run import migrate
from service.settings import Settings, load_settings
from tests.system.benchmarks.filling import SCHEMA, fill
from tests.system.benchmarks.processes import Group
from workers.stack.postgres import Postgres
from workers.stack.processes import end_leftovers
from workers.stack.rabbitmq import RabbitMQ
from workers.stack.state import StackState

_MADE: Final = "a catalogue of {size} packages, filled in the way 1"
"""The comment of a database that is whole; another text has it made again."""


class Servers:
    """The servers, with what is started of them at the first need."""

    def __init__(self, folder: Path) -> None:
        state = StackState(folder / "stack.json")
        self.folder = folder
        # Nothing in it is needed after a power cut. The references are measured on the same server.
        self.postgres = Postgres(folder, state, durable=False)
        self._rabbitmq = RabbitMQ(folder, state)
        self._has_broker = False

    async def broker(self) -> RabbitMQ:
        """Return the broker, which is running."""
        if not self._has_broker:
            await self._rabbitmq.start()
            self._has_broker = True
        return self._rabbitmq

    def groups(self) -> list[Group]:
        """Return the servers that run, for their costs."""
        found = [("postgres", self.postgres.child.pid)]
        if self._has_broker:
            found.append(("rabbitmq", self._rabbitmq.child.pid))
        return [Group(name, pid) for name, pid in found if pid]

    async def settings(self, database: str, objects: Path, *, with_broker: bool) -> Settings:
        """Return settings on one of the databases; without a broker, processes that need one cannot start."""
        broker = (await self.broker()).url() if with_broker else "amqp://nobody@127.0.0.1:1/"
        return load_settings(
            environment={
                "PACKYARD_DATABASE_URL": self.postgres.url(database),
                "PACKYARD_BROKER_URL": broker,
                "PACKYARD_STORAGE_URL": objects.as_uri(),
            }
        )

    async def close(self) -> None:
        """Stop what runs."""
        if self._has_broker:
            await self._rabbitmq.stop()
        await self.postgres.stop()


@asynccontextmanager
async def open_servers(folder: Path) -> AsyncGenerator[Servers]:
    """Start PostgreSQL in *folder*, which is kept; only one bench uses it at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        await end_leftovers(folder)
        servers = Servers(folder)
        await servers.postgres.start()
        try:
            yield servers
        finally:
            await servers.close()


async def make_catalogue(servers: Servers, size: int) -> str:
    """Return the database with a catalogue of *size* packages at the newest version, made if it is not there."""
    name = f"catalogue_{size}"
    made = _MADE.format(size=size)
    server = await asyncpg.connect(servers.postgres.url("postgres"))
    try:
        comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1"
        if await server.fetchval(comment, name) != made:
            began = time.perf_counter()
            await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await server.execute(f"CREATE DATABASE {name}")
            await _fill(servers, name, size)
            await server.execute(f"COMMENT ON DATABASE {name} IS '{made}'")
            print(f"made a catalogue of {size:,} packages in {time.perf_counter() - began:.0f} s", flush=True)  # noqa: T201
    finally:
        await server.close()
    await _bring_up_to_date(servers.postgres.url(name))
    return name


@asynccontextmanager
async def copied(servers: Servers, name: str) -> AsyncGenerator[str]:
    """Give a copy of a database that may be changed; it is dropped at the end."""
    copy = f"{name}_changed"
    server = await asyncpg.connect(servers.postgres.url("postgres"))
    try:
        await server.execute(f"DROP DATABASE IF EXISTS {copy} WITH (FORCE)")
        await server.execute(f"CREATE DATABASE {copy} TEMPLATE {name} STRATEGY file_copy")
        yield copy
        await server.execute(f"DROP DATABASE {copy} WITH (FORCE)")
    finally:
        await server.close()


async def _fill(servers: Servers, name: str, size: int) -> None:
    url = servers.postgres.url(name)
    await asyncio.to_thread(migrate, url, target=SCHEMA)
    connection = await asyncpg.connect(url)
    try:
        await fill(connection, size)
    finally:
        await connection.close()


async def _bring_up_to_date(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        version = "SELECT version_num FROM schema_version"
        before = await connection.fetchval(version)
        await asyncio.to_thread(migrate, url)
        if before == SCHEMA or await connection.fetchval(version) != before:
            await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()
