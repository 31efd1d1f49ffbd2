"""Databases whose directory is filled: one that the tests of a process use one after the other, or copies of their own.

To bring back what a database held takes a hundredth of the time of a copy.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg

from service.context import open_context
from service.infra.postgres.roles import DatabaseRole, grant_rights
from service.settings import load_settings
from tests.support.catalogue import fill_directory
from tests.support.servers import TEMPLATE, Servers, database_in

API_PASSWORD: Final = "Filled0only"
"""Of the API's role in these databases."""

_PRISTINE: Final = Path(__file__).with_name("pristine.sql")
_SPARE_BYTES: Final = 4 * 1_048_576

_OTHERS: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_LOOK: Final = """
SELECT md5(string_agg(part, ' ' ORDER BY part)) AS shape, pg_database_size(current_database()) AS size FROM (
    SELECT concat_ws('.', oid, relnatts, relhastriggers, relacl, reloptions) FROM pg_class
     WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws('.', oid, xmin) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws('.', oid, xmin) FROM pg_trigger
    UNION ALL SELECT concat_ws('.', oid, xmin) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT concat_ws('.', a.attrelid, a.attnum, a.xmin)
                FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
               WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
) parts (part)
"""


class FilledDatabases:
    """The filled databases of one process of a run."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        """Make them on these servers; what was filled keeps its objects, of which there are none, in *folder*."""
        self.template = f"filled_{uuid4().hex}"
        self._servers = servers
        self._folder = folder
        self._is_made = False
        self._shared: str | None = None
        self._shape = ""
        self._size = 0

    @asynccontextmanager
    async def shared(self) -> AsyncGenerator[str]:
        """Give the address of the shared one, as it was in the beginning; one that can't be so again is replaced."""
        if self._shared is not None and not await self._is_restored(self._shared):
            name, self._shared = self._shared, None
            await self._drop(name)
        if self._shared is None:
            self._shared = await self._copy()
            async with _connected(database_in(self._servers.database_url, self._shared)) as connection:
                self._shape, self._size = await _look(connection)
        yield database_in(self._servers.database_url, self._shared)

    @asynccontextmanager
    async def own(self) -> AsyncGenerator[str]:
        """Give the address of one that no other test uses."""
        name = await self._copy()
        yield database_in(self._servers.database_url, name)
        await self._drop(name)

    async def aclose(self) -> None:
        """Drop what is left."""
        for name in (self._shared, self.template if self._is_made else None):
            if name is not None:
                await self._drop(name)

    async def _copy(self) -> str:
        if not self._is_made:
            await self._fill()
            self._is_made = True
        name = f"test_{uuid4().hex}"
        await _run(self._servers.database_url, f"CREATE DATABASE {name} TEMPLATE {self.template}")
        return name

    async def _fill(self) -> None:
        await _run(self._servers.database_url, f"CREATE DATABASE {self.template} TEMPLATE {TEMPLATE}")
        url = database_in(self._servers.database_url, self.template)
        settings = load_settings(
            environment={
                "PACKYARD_DATABASE_URL": url,
                "PACKYARD_BROKER_URL": "amqp://127.0.0.1:1/",
                "PACKYARD_STORAGE_URL": self._folder.as_uri(),
            }
        )
        async with open_context(settings) as context:
            await fill_directory(context)
        await _run(url, _PRISTINE.read_text(encoding="utf-8"))
        passwords: dict[str, str] = {DatabaseRole.API: API_PASSWORD}
        await asyncio.to_thread(grant_rights, url, prefix=self.template, passwords=passwords)

    async def _is_restored(self, name: str) -> bool:
        """Bring it back to what it was; return whether it is, or a test has changed its tables, or made them large."""
        async with _connected(database_in(self._servers.database_url, name)) as connection:
            await connection.execute(_OTHERS)
            shape, size = await _look(connection)
            if shape != self._shape or size > self._size + _SPARE_BYTES:
                return False
            await connection.execute("SELECT pristine.restore()")
            return True

    async def _drop(self, name: str) -> None:
        await _run(self._servers.database_url, f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def _connected(url: str) -> "AsyncGenerator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def _look(connection: "asyncpg.Connection[asyncpg.Record]") -> tuple[str, int]:
    (row,) = await connection.fetch(_LOOK)
    return row["shape"], row["size"]


async def _run(url: str, statement: str) -> None:
    async with _connected(url) as connection:
        await connection.execute(statement)
