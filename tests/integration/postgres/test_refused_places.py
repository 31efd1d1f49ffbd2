"""A password that changes while a pool is in use: the server has the new one, and the file has the old one."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from service.configuration.secret_files import SecretFile
from service.errors import DatabaseAwayError
from service.infra.postgres.database import Database
from service.infra.postgres.pool import open_database
from tests.support.servers import Servers
from tests.support.yard import eventually

_REQUESTS: Final = 6


@dataclass(frozen=True, slots=True)
class _Rotation:
    """A role whose password was just changed, a pool that has one connection from before, and the pool's file."""

    database: Database
    admin: "asyncpg.Connection[asyncpg.Record]"
    role: str
    file: Path

    def write(self, password: str) -> None:
        """Let the file have that password."""
        text = self.file.read_text(encoding="utf-8")
        self.file.write_text(text.replace(":first@", f":{password}@"), encoding="utf-8")

    async def has_connections(self, count: int) -> bool:
        """Return whether the pool has so many connections, used or idle."""
        usage = self.database.usage()
        return usage["used"] + usage["idle"] == count

    async def ask(self) -> int:
        """Run a statement, as a request does."""
        async with self.database.connection() as connection:
            return int(await connection.fetchval("SELECT 1"))


@pytest.fixture
async def rotation(database_url: str, servers: Servers, tmp_path: Path) -> AsyncGenerator[_Rotation]:
    parts, role, file = urlsplit(database_url), f"rotated_{uuid4().hex}", tmp_path / "address"
    file.write_text(parts._replace(netloc=f"{role}:first@{parts.hostname}:{parts.port}").geturl(), encoding="utf-8")
    admin = await asyncpg.connect(servers.database_url)
    await admin.execute(f"CREATE ROLE \"{role}\" LOGIN PASSWORD 'first'")
    try:
        async with open_database(SecretFile(file), size=3) as database:
            await admin.execute(f"ALTER ROLE \"{role}\" PASSWORD 'second'")
            yield _Rotation(database, admin, role, file)
    finally:
        await admin.execute(f'DROP ROLE "{role}"')
        await admin.close()


async def test_requests_share_the_connections_that_are_open_until_the_server_takes_new_ones(
    rotation: _Rotation,
) -> None:
    async with asyncio.TaskGroup() as group, rotation.database.connection():  # all others meet the refusal
        asked = [group.create_task(rotation.ask()) for _ in range(_REQUESTS)]
        await asyncio.sleep(0.2)
    assert [one.result() for one in asked] == [1] * _REQUESTS
    assert await rotation.has_connections(1)

    rotation.write("second")
    await eventually(lambda: rotation.has_connections(3), within=10)


async def test_a_refusal_is_the_answer_when_the_last_connection_is_gone(rotation: _Rotation) -> None:
    async with rotation.database.connection():
        asked = asyncio.create_task(rotation.ask())
        await asyncio.sleep(0.2)
    assert await asked == 1
    await rotation.admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", rotation.role
    )
    await eventually(lambda: rotation.has_connections(0), within=5)

    with pytest.raises(DatabaseAwayError, match="password authentication failed"):
        await rotation.ask()
