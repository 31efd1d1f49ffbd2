"""Connections that are lost between two steps: the client gets an outage, and not a fault of ours."""

import asyncio
import gc
import logging
import warnings
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from schemas.messages.outgoing import Entry
from schemas.names import Lane
from service.context import Context, open_context
from service.errors import StartError
from service.infra.postgres.database import Database, DatabaseUnavailableError, fetch
from service.infra.postgres.pool import open_database
from service.infra.rabbitmq.broker import open_broker
from service.infra.rabbitmq.consuming import BrokerUnavailableError
from service.settings import Settings
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query, status_of
from tests.support.packages import MAINTAINER, PUBLIC, told
from tests.support.races import begun_waiting, deleting, held_open
from tests.support.ways import Way

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


async def test_a_process_whose_first_session_was_ended_does_not_start_and_says_so_in_one_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = Way(settings.database_url.get_secret_value())
    await way.open()
    acquire = Database.connection

    @asynccontextmanager
    async def end_session_first(database: Database) -> AsyncGenerator[object]:
        async with acquire(database) as connection:
            await way.close()
            yield connection

    monkeypatch.setattr(Database, "connection", end_session_first)
    reached = settings.model_copy(update={"database_url": SecretStr(way.url)})
    with pytest.raises(StartError, match=r"^PACKYARD_DATABASE_URL: the database failed: [^\n]+$"):
        async with open_context(reached):
            pytest.fail("it started")


async def test_a_connection_to_the_broker_that_was_lost_counts_as_an_outage(virtual_host: str) -> None:
    way = Way(virtual_host)
    await way.open()
    async with open_broker(way.url, name="test") as broker:
        await way.close()
        for step in (
            broker.declare,
            lambda: broker.consumer("packyard.delete.bulk", prefetch=1),
            broker.command_publisher,
            lambda: broker.subscriber(["#"]),
        ):
            await asyncio.sleep(0.1)
            with pytest.raises(BrokerUnavailableError):
                await step()


async def test_a_broker_that_falls_silent_has_refused_no_message(
    virtual_host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.infra.rabbitmq.publishing._CONFIRM_TIMEOUT_S", 0.5)
    monkeypatch.setattr("service.infra.rabbitmq.broker._CONNECT_TIMEOUT_S", 1)
    monkeypatch.setattr("service.infra.rabbitmq.broker._ANSWER_TIMEOUT_S", 1)
    entry = Entry(1, uuid4(), Lane.BULK.routing_key, {"deletion_ids": []})
    way = Way(virtual_host)
    await way.open()
    async with open_broker(way.url, name="test") as broker:
        publisher = await broker.command_publisher()
        assert await publisher.publish([entry]) == {1}

        way.fall_silent()
        with pytest.raises(BrokerUnavailableError):
            await publisher.publish([entry])
        with pytest.raises(BrokerUnavailableError):
            await broker.subscriber(["#"])
    way.pass_on_again()
    await way.close()


@pytest.mark.parametrize("many", [True, False])
async def test_a_request_whose_session_the_server_ends_is_answered_with_503(
    filled: Context, client: Client, *, many: bool
) -> None:
    package_id = await publish(filled)

    async def ask(_context: Context) -> tuple[int, object]:
        if many:
            answer = await client.post(f"{PUBLIC}/bulk_delete", json={"ids": [package_id]}, headers=MAINTAINER)
        else:
            answer = await client.delete(f"{PUBLIC}/{package_id}", headers=MAINTAINER)
        return await told(answer)

    async with held_open(filled, deleting(package_id)) as first:
        request = await begun_waiting(filled, ask)
        await query(
            filled,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        assert await request == (503, {"message": "503 Service Unavailable"})
        await first.end(commits=False)

    assert await status_of(filled, package_id) == "default"


@pytest.fixture
def _collection_by_hand() -> Iterator[None]:
    """Let what refers to itself be collected only when a test says so."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_collection_by_hand")
@pytest.mark.parametrize("hangs_up", ["before we connect", "while we are connected"])
async def test_a_connection_to_the_broker_that_came_to_nothing_is_not_closed_once_more_later(
    virtual_host: str, hangs_up: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "aiormq")  # what is kept of a line holds the error, and with it the connection
    way = Way(virtual_host)
    await way.open()
    if hangs_up == "before we connect":
        await way.close()
    with suppress(*BrokerUnavailableError):
        async with open_broker(way.url, name="test"):
            await way.close()

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        # The driver closes what it holds for open when that is collected: by any thread, which has no loop.
        await asyncio.to_thread(gc.collect)
    assert [str(warning.message) for warning in warned] == []
