"""A catalogue with a receiver beside it."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.context import Context
from service.infra.egress.sending import HttpSender
from tests.integration.conftest import Client
from tests.support.packages import MAINTAINER
from tests.support.receivers import Receiver, delivering, receiving, with_webhooks

HOOKS = "/api/v4/projects/100/hooks"


@pytest.fixture
def hooked(filled: Context) -> Context:
    """A context that may send webhooks to this machine."""
    return with_webhooks(filled)


@pytest.fixture
async def api(hooked: Context) -> AsyncGenerator[Client]:
    """A client of the API."""
    async with TestClient(TestServer(create_app(hooked))) as opened:
        yield opened


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    """A receiver of webhooks."""
    async with receiving() as opened:
        yield opened


@pytest.fixture
async def sender(hooked: Context) -> AsyncGenerator[HttpSender]:
    """The sender of a deliverer."""
    async with delivering(hooked) as opened:
        yield opened


async def add_hook(api: Client, url: str, *, at: str = HOOKS, **values: object) -> dict[str, Any]:
    """Add a webhook as a maintainer."""
    async with api.post(at, json={"url": url, **values}, headers=MAINTAINER) as answer:
        body: dict[str, Any] = await answer.json()
        assert answer.status == 201, body
    return body
