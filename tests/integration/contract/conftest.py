"""Fixtures of tests of the contract: a yard whose directory is filled once, and whose address is a public name.

The tests fill the database and read it as its owner. The API works with the rights of its own role alone, so the
contract holds with these.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import TypeAlias
from urllib.parse import urlsplit

import pytest
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.context import Context
from service.infra.postgres.database import Database
from service.infra.postgres.pool import open_database
from service.infra.postgres.roles import DatabaseRole
from service.settings import Settings, load_settings
from tests.integration.conftest import Client
from tests.support.filled_databases import API_PASSWORD, FilledDatabases
from tests.support.packages import EXTERNAL

ClientWith: TypeAlias = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def settings(database_url: str, storage_url: str) -> Settings:
    """The settings of a yard that is known to the world as EXTERNAL, and to no broker."""
    return load_settings(
        environment={
            "PACKYARD_DATABASE_URL": database_url,
            "PACKYARD_BROKER_URL": "amqp://127.0.0.1/",
            "PACKYARD_STORAGE_URL": storage_url,
            "PACKYARD_EXTERNAL_URL": EXTERNAL,
        }
    )


@pytest.fixture
async def database_of_api(database_url: str, filled_databases: FilledDatabases) -> AsyncGenerator[Database]:
    """The same database, with no more rights than those that the role of the API has."""
    place = urlsplit(database_url)
    netloc = f"{filled_databases.template}_{DatabaseRole.API}:{API_PASSWORD}@{place.netloc.rpartition('@')[2]}"
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
