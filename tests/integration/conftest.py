"""Fixtures of integration tests."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Final, TypeAlias
from uuid import UUID

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service import event_loop
from service.app import create_app
from service.context import Context
from service.downloads import DOWNLOADS
from service.infra.rabbitmq.broker import open_broker
from tests.support.filled_databases import FilledDatabases
from tests.support.relaying import Publisher
from tests.support.servers import Servers, own_database

INSTANCE: Final = UUID("01920000-0000-7000-8000-000000000000")
"""The yard that the publisher's messages say they are from."""

Client: TypeAlias = TestClient[web.Request, web.Application]


@pytest.fixture
def broker_url() -> str:
    """Nowhere: to make a virtual host takes longer than most of these tests, and few of them need one."""
    return "amqp://127.0.0.1:1/"


@pytest.fixture(scope="session")
def filled_databases(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Generator[FilledDatabases]:
    """Databases whose directory is filled."""
    made = FilledDatabases(servers, tmp_path_factory.mktemp("filling"))
    yield made
    event_loop.run(made.aclose())


@pytest.fixture
def database_of_its_own() -> None:
    """A fixture for tests that keep everybody from their database, or fill it by the ten thousand."""


@pytest.fixture
async def database_url(
    request: pytest.FixtureRequest, servers: Servers, filled_databases: FilledDatabases
) -> AsyncGenerator[str]:
    """A database that is empty, or where the directory is asked for, holds nothing else."""
    if "filled" not in request.fixturenames:
        opening = own_database(servers)
    elif "database_of_its_own" in request.fixturenames:
        opening = filled_databases.own()
    else:
        opening = filled_databases.shared()
    async with opening as url:
        yield url


@pytest.fixture
def filled(context: Context) -> Context:
    """A context whose directory is filled: that of its database is so from the beginning."""
    return context


@pytest.fixture
async def client(filled: Context) -> AsyncGenerator[Client]:
    """A client of the API over a filled directory."""
    async with TestClient(TestServer(create_app(filled))) as opened:
        yield opened


@pytest.fixture
async def publisher(virtual_host: str) -> AsyncGenerator[Publisher]:
    """A publisher of messages to a broker on which everything is declared."""
    async with open_broker(virtual_host, name="test") as broker:
        yield Publisher(await broker.command_publisher(), await broker.event_publisher())


@pytest.fixture
async def channel(publisher: Publisher, virtual_host: str) -> AsyncGenerator[AbstractChannel]:
    """A channel of a subscriber to the same broker."""
    async with await aio_pika.connect(virtual_host) as connection:
        yield await connection.channel()


async def note_downloads(client: Client) -> None:
    """Let the API write which packages were downloaded, as it does every two seconds."""
    assert client.app is not None
    await client.app[DOWNLOADS].write()


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    """The storage folder."""
    return tmp_path / "objects"


@pytest.fixture
def stop() -> asyncio.Event:
    """The event that stops a process."""
    return asyncio.Event()
