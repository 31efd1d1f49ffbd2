"""A database that ends a session while the way to it stays open, as behind a proxy, or for a moment after a restart."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

import asyncpg
import pytest

from service.infra.database import DatabaseUnavailableError, fetch, open_database

_CHUNK: Final = 64 * 1024
_PATIENCE_S: Final = 5


@asynccontextmanager
async def _lingering_way(url: str) -> AsyncGenerator[str]:
    """Give an address that leads to the database, and at which the first client never hears that the server hung up."""
    parts = urlsplit(url)
    ways: list[asyncio.Task[None]] = []
    writers: list[asyncio.StreamWriter] = []

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lingers = not ways
        from_server, to_server = await asyncio.open_connection(parts.hostname, parts.port)
        writers.extend([writer, to_server])
        ways.append(asyncio.create_task(_pass_on(reader, to_server, lingers=False)))
        ways.append(asyncio.create_task(_pass_on(from_server, writer, lingers=lingers)))

    async with await asyncio.start_server(lead, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        yield parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
        for writer in writers:
            writer.close()
        await asyncio.wait(ways, timeout=_PATIENCE_S)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, lingers: bool) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        if not lingers:
            writer.close()


async def test_a_session_that_was_ended_counts_as_an_outage_and_is_not_used_again(database_url: str) -> None:
    async with _lingering_way(database_url) as url, open_database(url, size=1) as database:
        async with database.connection() as connection:
            pid = await connection.fetchval("SELECT pg_backend_pid()")
            other = await asyncpg.connect(database_url)
            await other.execute("SELECT pg_terminate_backend($1)", pid)
            await other.close()
        await asyncio.sleep(0.5)  # until its last words have come

        with pytest.raises(DatabaseUnavailableError):
            async with database.connection() as connection:
                await fetch(connection, "ping")

        async with database.connection() as connection:
            assert await connection.fetchval("SELECT pg_backend_pid()") != pid
