"""What integration tests share."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TypeAlias

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service.api.keys import DOWNLOADS
from service.app import create_app
from service.context import Context
from tests.support.catalogue import fill_directory

Client: TypeAlias = TestClient[web.Request, web.Application]


@pytest.fixture
async def filled(context: Context) -> Context:
    """A context whose directory is filled."""
    await fill_directory(context)
    return context


@pytest.fixture
async def client(filled: Context) -> AsyncGenerator[Client]:
    """A client of the API over a filled directory."""
    async with TestClient(TestServer(create_app(filled))) as opened:
        yield opened


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
    """The event that tells a process to stop."""
    return asyncio.Event()
