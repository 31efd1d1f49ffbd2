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
from service.infra.database_roles import DatabaseRole, grant_rights
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
_SHAPE: Final = """
SELECT md5(string_agg(part, ' ' ORDER BY part)) FROM (
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
        """Give the address of the shared one, as it was in the beginning; one whose tables were changed is dropped."""
        if self._shared is None:
            self._shared = await self._copy()
            self._shape, self._size = await self._look(self._shared)
        await _run(database_in(self._servers.database_url, self._shared), _OTHERS, "SELECT pristine.restore()")
        yield database_in(self._servers.database_url, self._shared)
        shape, size = await self._look(self._shared)
        if shape != self._shape or size > self._size + _SPARE_BYTES:
            name, self._shared = self._shared, None
            await self._drop(name)

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

    async def _look(self, name: str) -> tuple[str, int]:
        connection = await asyncpg.connect(database_in(self._servers.database_url, name))
        try:
            return await connection.fetchval(_SHAPE), await connection.fetchval("SELECT pg_database_size($1)", name)
        finally:
            await connection.close()

    async def _drop(self, name: str) -> None:
        await _run(self._servers.database_url, f"DROP DATABASE {name} WITH (FORCE)")


async def _run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
