"""The yard that is measured, and what is measured about it again and again."""

import json
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
import asyncpg

from service.settings import load_settings
from tests.support.catalogue import DIRECTORY
from tests.support.servers import private_servers
from tests.support.yard import Yard

PROJECT: Final = 100

_HEADERS: Final = {"PRIVATE-TOKEN": "maintainer-token"}


class Bench:
    """All processes on servers of their own, and a client."""

    def __init__(self, yard: Yard, session: aiohttp.ClientSession, folder: Path, database_url: str) -> None:
        self.yard = yard
        self.session = session
        self.folder = folder
        self._database_url = database_url
        self._last_id = 0

    async def import_packages(self, count: int, *, files: bool = True, prefix: str = "app") -> range:
        """Bring in so many packages of one small file each, or of none; return their ids."""
        ids = range(self._last_id + 1, self._last_id + count + 1)
        self._last_id += count
        file = self.folder / "packages.ndjson"
        with file.open("w", encoding="utf-8") as lines:
            for number in ids:
                package = {
                    "id": number,
                    "project": "acme/open",
                    "package_type": "generic",
                    "name": f"{prefix}-{number}",
                }
                content = [{"file_name": "app.bin", "content": f"bytes of {number}"}] if files else []
                lines.write(json.dumps({**package, "version": "1.0", "files": content}) + "\n")
        await self.yard.run("import", str(file))
        return ids

    async def delete(self, package_id: int) -> None:
        """Delete one package."""
        async with self.session.delete(f"/api/v4/projects/{PROJECT}/packages/{package_id}") as answer:
            answer.raise_for_status()

    def objects(self) -> int:
        """Return how many objects there are."""
        # os.walk passes over folders that go away meanwhile.
        return sum(len(files) for _, _, files in os.walk(self.folder / "objects"))

    def bytes(self) -> int:
        """Return how many bytes of packages are on the disk; nothing may be in the course of being removed."""
        return sum(
            (Path(folder) / name).stat().st_size
            for folder, _, names in os.walk(self.folder / "objects")
            for name in names
        )

    async def query(self, sql: str, *values: object) -> list[asyncpg.Record]:
        """Ask the database."""
        connection = await asyncpg.connect(self._database_url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return rows
        finally:
            await connection.close()

    async def statements(self) -> int:
        """Return how many statements were issued since the last time."""
        rows = await self.query("SELECT sum(calls)::bigint AS calls FROM pg_stat_statements")
        await self.query("SELECT pg_stat_statements_reset()")
        return int(rows[0]["calls"] or 0)


@asynccontextmanager
async def open_bench(folder: Path) -> AsyncGenerator[Bench]:
    """Start the servers; the processes are not started yet."""
    async with private_servers() as servers:
        url = servers.postgres.url()
        await _count_statements(url)
        await servers.postgres.stop()
        await servers.postgres.start()
        settings = load_settings(
            environment={
                "PACKYARD_DATABASE_URL": url,
                "PACKYARD_BROKER_URL": servers.rabbitmq.url(),
                "PACKYARD_STORAGE_URL": (folder / "objects").as_uri(),
            },
        )
        yard = Yard(settings, folder / "yard")
        yard.folder.mkdir()
        await yard.run("directory", "apply", str(DIRECTORY))
        async with aiohttp.ClientSession(yard.base_url, headers=_HEADERS) as session:
            yield Bench(yard, session, folder, url)
        await yard.aclose()


async def _count_statements(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
        await connection.execute("CREATE EXTENSION pg_stat_statements")
    finally:
        await connection.close()
