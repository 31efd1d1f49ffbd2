"""What tests of the contract share: a yard whose directory is filled once, and whose address is a public name.

The tests fill the database and look at it as its owner; the API works with the rights of its own role alone, so that
the contract holds with these.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.context import Context, open_context
from service.infra.database import Database, open_database
from service.infra.database_roles import DatabaseRole, grant_rights
from service.settings import Settings, load_settings
from tests.integration.conftest import Client
from tests.support.catalogue import fill_directory
from tests.support.packages import EXTERNAL
from tests.support.servers import TEMPLATE, Servers, database_in

_PRISTINE: Final = Path(__file__).with_name("pristine.sql")
_PASSWORD: Final = "Contract0only"

ClientWith: TypeAlias = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture(scope="session")
def filled_template(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database whose directory is filled, and which can be brought back to that."""
    name = f"filled_{uuid4().hex}"
    asyncio.run(_make_filled(servers, name, tmp_path_factory.mktemp("filling").as_uri()))
    return name


@pytest.fixture(scope="session")
def shared_database(servers: Servers, filled_template: str) -> str:
    """The address of the database that the tests of a process use one after the other."""
    return asyncio.run(_copy(servers, filled_template))


@pytest.fixture
def database_of_its_own() -> None:
    """What a test asks for that changes the tables themselves, or fills them by the ten thousand."""


@pytest.fixture
async def database_url(
    request: pytest.FixtureRequest, servers: Servers, filled_template: str, shared_database: str
) -> AsyncGenerator[str]:
    """A database whose directory is filled, and which holds nothing else."""
    if "database_of_its_own" in request.fixturenames:
        url = await _copy(servers, filled_template)
        yield url
        await _run(servers.database_url, f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")
    else:
        await _run(shared_database, "SELECT pristine.restore()")
        yield shared_database


@pytest.fixture
def settings(database_url: str, storage_url: str) -> Settings:
    """The settings of a yard that is known to the world as EXTERNAL, and to no broker."""
    return _settings(database_url, storage_url)


@pytest.fixture
async def filled(context: Context) -> Context:
    """A context whose directory is filled: that of its database is so from the beginning."""
    return context


@pytest.fixture
async def database_of_api(database_url: str, filled_template: str) -> AsyncGenerator[Database]:
    """The same database, with no more rights than those that the role of the API has."""
    place = urlsplit(database_url)
    netloc = f"{filled_template}_{DatabaseRole.API}:{_PASSWORD}@{place.netloc.rpartition('@')[2]}"
    async with open_database(place._replace(netloc=netloc).geturl()) as database:
        yield database


@pytest.fixture
async def client(filled: Context, database_of_api: Database) -> AsyncGenerator[Client]:
    """A client of the API over that yard."""
    async with TestClient(TestServer(create_app(replace(filled, database=database_of_api)))) as opened:
        yield opened


@pytest.fixture
def client_with(filled: Context, database_of_api: Database) -> ClientWith:
    """Open a client of the API over the same yard, with these settings changed."""

    @asynccontextmanager
    async def opening(**changed: object) -> AsyncGenerator[Client]:
        settings = filled.settings.model_copy(update=changed)
        context = replace(filled, database=database_of_api, settings=settings)
        async with TestClient(TestServer(create_app(context))) as opened:
            yield opened

    return opening


def _settings(database_url: str, storage_url: str) -> Settings:
    return load_settings(
        environment={
            "PACKYARD_DATABASE_URL": database_url,
            "PACKYARD_BROKER_URL": "amqp://127.0.0.1/",
            "PACKYARD_STORAGE_URL": storage_url,
            "PACKYARD_EXTERNAL_URL": EXTERNAL,
        }
    )


async def _make_filled(servers: Servers, name: str, storage_url: str) -> None:
    await _run(servers.database_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    url = database_in(servers.database_url, name)
    async with open_context(_settings(url, storage_url)) as context:
        await fill_directory(context)
    await _run(url, _PRISTINE.read_text(encoding="utf-8"))
    await asyncio.to_thread(grant_rights, url, prefix=name, passwords={DatabaseRole.API: _PASSWORD})


async def _copy(servers: Servers, template: str) -> str:
    name = f"test_{uuid4().hex}"
    await _run(servers.database_url, f"CREATE DATABASE {name} TEMPLATE {template}")
    return database_in(servers.database_url, name)


async def _run(url: str, sql: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
