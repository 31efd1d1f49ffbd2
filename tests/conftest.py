"""What every test may ask for; the folder of a test is its mark."""

import os
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Final
from uuid import uuid4

import aiohttp
import asyncpg
import pytest

from service.context import Context, open_context
from service.settings import Settings, load_settings
from tests.support.servers import TEMPLATE, Servers, database_in, end_servers_of_run, servers_of_run
from workers.stack.rabbitmq import put_policies

_MARKED_FOLDERS: Final = ("integration", "acceptance")
_TESTS: Final = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(_TESTS).parts[0]
        if folder in _MARKED_FOLDERS:
            item.add_marker(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        end_servers_of_run(os.getpid())


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Servers:
    """The PostgreSQL and the RabbitMQ of this run."""
    is_worker = hasattr(request.config, "workerinput")
    return servers_of_run(os.getppid() if is_worker else os.getpid())


@pytest.fixture
async def database_url(servers: Servers) -> AsyncGenerator[str]:
    """A migrated, empty database of this test's own."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(servers.database_url)
    try:
        await connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        yield database_in(servers.database_url, name)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture
async def broker_url(servers: Servers) -> AsyncIterator[str]:
    """An empty virtual host of this test's own."""
    name = f"test-{uuid4().hex}"
    async with aiohttp.ClientSession(servers.management_url, raise_for_status=True) as session:
        await session.put(f"/api/vhosts/{name}")
        await put_policies(servers.management_url, name)
        yield f"{servers.broker_url.rpartition('/')[0]}/{name}"
        await session.delete(f"/api/vhosts/{name}")


@pytest.fixture
def storage_url(tmp_path: Path) -> str:
    """A folder of this test's own for objects."""
    return (tmp_path / "objects").as_uri()


@pytest.fixture
def settings(database_url: str, broker_url: str, storage_url: str) -> Settings:
    """The settings of a yard of this test's own."""
    return load_settings(
        environment={
            "PACKYARD_DATABASE_URL": database_url,
            "PACKYARD_BROKER_URL": broker_url,
            "PACKYARD_STORAGE_URL": storage_url,
        }
    )


@pytest.fixture
async def context(settings: Settings) -> AsyncGenerator[Context]:
    """The context that a process of this test's yard works with."""
    async with open_context(settings) as opened:
        yield opened
