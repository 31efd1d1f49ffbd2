"""Fixtures for every test; the folder of a test is its mark."""

import os
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Final

import hypothesis
import pytest

from service.context import Context, open_context
from service.settings import Settings, load_settings
from tests.support.buckets import new_prefix, sign_in_as_admin
from tests.support.server_logs import deadlocks_since, size_of
from tests.support.servers import (
    Servers,
    end_servers_of_run,
    own_database,
    own_virtual_host,
    postgres_log,
    servers_of_run,
)

# A busy machine is no failure: no example of hypothesis has a limit of time.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

_MARKED_FOLDERS: Final = (
    "integration",
    "acceptance",
    "clients",
    "system/faults",
    "system/scaling",
    "system/soak",
    "system/release",
)
_TESTS: Final = Path(__file__).parent
_LOG_BEGINS: Final = pytest.StashKey[int]()
"""Where in PostgreSQL's log a test begins, in bytes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for folder in _MARKED_FOLDERS:
            if item.path.is_relative_to(_TESTS / folder):
                item.add_marker(Path(folder).name)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        end_servers_of_run(os.getpid())


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_LOG_BEGINS] = size_of(postgres_log(_controller(item.config)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        found = deadlocks_since(postgres_log(_controller(item.config)), item.stash.get(_LOG_BEGINS, 0))
        if found:
            report.sections.append(("deadlocks in the log of PostgreSQL", found))
    return report


def _controller(config: pytest.Config) -> int:
    return os.getppid() if hasattr(config, "workerinput") else os.getpid()


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Servers:
    """The PostgreSQL, the RabbitMQ and the S3 server of this run."""
    return servers_of_run(_controller(request.config))


@pytest.fixture
async def database_url(servers: Servers) -> AsyncGenerator[str]:
    """A migrated, empty database of this test's own."""
    async with own_database(servers) as url:
        yield url


@pytest.fixture
async def virtual_host(servers: Servers) -> AsyncGenerator[str]:
    """The address of an empty virtual host of this test's own."""
    async with own_virtual_host(servers) as url:
        yield url


@pytest.fixture
def broker_url(virtual_host: str) -> str:
    """The broker of this test's yard."""
    return virtual_host


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
            "PACKYARD_EXTERNAL_URL": "http://127.0.0.1:8080",
            # A test that runs at three in the morning shall see the same events.
            "PACKYARD_CHECK_TIMES": "never",
        }
    )


@pytest.fixture(params=["folder", "s3"])
async def settings_of_each_store(
    request: pytest.FixtureRequest, settings: Settings, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """The settings of a yard on a disk, and of one in a bucket."""
    if request.param == "folder":
        return settings
    sign_in_as_admin(monkeypatch, servers)
    storage = {"storage_url": new_prefix(), "storage_endpoint": servers.s3_endpoint}
    return Settings.model_validate(settings.model_dump() | storage)


@pytest.fixture
async def context(settings: Settings) -> AsyncGenerator[Context]:
    """The context that a process of this test's yard works with."""
    async with open_context(settings) as opened:
        yield opened
