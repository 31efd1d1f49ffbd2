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
from tests.support.browsing import browsing
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
    text = await page.text()
    named = re.findall(r'(?:href|src|url)(?:=|\()"([^"#]+)"', text)

    assert page.status == 200
    assert {address.removeprefix(below).split("/")[-1].split(".")[0] for address in named} >= {
        "swagger-ui-bundle", "swagger-ui", "api-docs", "site"
    }  # fmt: skip
    for address in named:
        assert address.startswith(f"{below}/")
        assert (await proxied.get(address.removeprefix(below), headers={"Accept": "text/html"})).status == 200
    assert f'data-document="{below}/api/openapi.json"' in text


async def test_the_page_knows_no_user_and_has_a_line_for_browsers_without_scripts(filled: Context) -> None:
    async with browsing(filled, external_url=None) as browser:
        await browser.sign_in("maintainer-token")
        page = await browser.get("/api/docs")

    assert "mary" not in page.text
    assert "<noscript>" in page.text
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")


async def test_the_document_of_the_events_is_a_page_with_every_field_and_an_example(filled: Context) -> None:
    async with browsing(filled, external_url=None) as browser:
        page = await browser.get("/-/event_document")

    assert "Routing key package.destroyed.{package_type}.{root_group_id}.{project_id}" in page.words
    assert "package_id integer The package; its number is never used again." in page.words
    assert '"specversion": "1.0"' in page.words
    # Each kind once, though the log has them all.
    assert page.text.count('id="storage.checked"') == 1


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
