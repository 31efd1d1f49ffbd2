"""The page of the API's document, and the document, wherever a proxy serves them."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from io import BytesIO
from uuid import uuid4

import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import HttpUrl

from service.app import create_app
from service.context import Context
from tests.integration.conftest import Client
from tests.support.packages import MAINTAINER
from tests.support.stepwise import with_settings


@pytest.fixture(params=["", "/yard", "/a/b/"])
def prefix(request: pytest.FixtureRequest) -> str:
    """The path at which a proxy serves the API."""
    return str(request.param)


@pytest.fixture
async def proxied(filled: Context, prefix: str) -> AsyncGenerator[Client]:
    context = with_settings(filled, external_url=HttpUrl(f"https://h{prefix}"))
    async with TestClient(TestServer(create_app(context))) as opened:
        yield opened


@pytest.mark.parametrize("path", ["/api/docs", "/api/docs/"])
async def test_the_page_names_only_what_is_served_below_the_prefix(proxied: Client, prefix: str, path: str) -> None:
    below = prefix.rstrip("/")
    page = await proxied.get(path)
    named = re.findall(r'(?:href|src)="([^"]+)"', await page.text())
    script = await (await proxied.get("/api/docs/start.js")).text()

    assert page.status == 200
    assert len(named) == 4
    for address in named:
        assert address.startswith(f"{below}/api/docs/")
        assert (await proxied.get(address.removeprefix(below))).status == 200
    assert f'url: "{below}/api/openapi.json"' in script


async def test_the_document_names_the_prefix_as_its_server(proxied: Client, prefix: str) -> None:
    document = await (await proxied.get("/api/openapi.json")).json()

    assert document["servers"] == [{"url": prefix.rstrip("/") or "/"}]


async def test_other_requests_are_answered_while_the_document_is_made(filled: Context) -> None:
    # No other test has the document of this address made.
    context = with_settings(filled, external_url=HttpUrl(f"https://h/{uuid4().hex}"))
    async with TestClient(TestServer(create_app(context))) as client:
        await client.get("/-/live")
        making = asyncio.create_task(client.get("/api/openapi.json"))
        await asyncio.sleep(0.01)
        await client.get("/-/live")
        was_made = making.done()

        assert (await making).status == 200

    assert not was_made


async def test_a_json_body_that_is_too_long_is_413(client: Client) -> None:
    path = "/api/v4/projects/100/packages/bulk_delete"

    answer = await client.post(path, data=BytesIO(b" " * 2_000_000), headers=MAINTAINER)

    assert (answer.status, json.loads(await answer.read())) == (413, {"error": "413 Request Entity Too Large"})
