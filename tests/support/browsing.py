"""A browser without a screen: it keeps cookies, sends what browsers send, and fills in the forms of pages."""

import html
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from aiohttp import ClientResponse, CookieJar, web
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.context import Context
from tests.support.stepwise import with_settings

NAVIGATION: Final = MappingProxyType(
    {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "Sec-Fetch-Site": "same-origin"}
)
"""The header fields of a browser that follows a link of ours."""

_FORM_TOKEN: Final = re.compile(r'name="form_token" value="([^"]+)"')
_TAG: Final = re.compile(r"<[^>]*>")

Client: TypeAlias = TestClient[web.Request, web.Application]


@dataclass(frozen=True, slots=True)
class Page:
    """The answer to a request."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def words(self) -> str:
        """The text for a reader."""
        return " ".join(html.unescape(_TAG.sub(" ", self.text.partition("<main")[2])).split())

    @property
    def form_token(self) -> str:
        """The token of the forms on the page."""
        found = _FORM_TOKEN.search(self.text)
        assert found is not None, self.words
        return found[1]


class Browser:
    """One person's browser."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def get(self, path: str, **headers: str) -> Page:
        """Follow a link; no further than the first answer."""
        answer = await self._client.get(path, headers={**NAVIGATION, **headers}, allow_redirects=False)
        return Page(answer.status, await answer.text(errors="replace"), answer.headers)

    async def head(self, path: str) -> Page:
        """Ask for the header fields alone."""
        answer = await self._client.head(path, headers=NAVIGATION, allow_redirects=False)
        return Page(answer.status, await answer.text(), answer.headers)

    @asynccontextmanager
    async def stream(self, path: str, **headers: str) -> AsyncGenerator[ClientResponse]:
        """Open a stream of events, as a script of a page does."""
        accept = {**NAVIGATION, "Accept": "text/event-stream", **headers}
        async with self._client.get(path, headers=accept, allow_redirects=False) as answer:
            yield answer

    async def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Page:
        """Send a form."""
        sent = {name: value for name, value in {**NAVIGATION, **headers}.items() if value}
        answer = await self._client.post(path, data=dict(fields), headers=sent, allow_redirects=False)
        return Page(answer.status, await answer.text(), answer.headers)

    async def submit(self, page: str, path: str, **fields: str) -> Page:
        """Open a page, and send one of its forms to *path*."""
        token = (await self.get(page)).form_token
        return await self.post(path, {"form_token": token, **fields})

    async def sign_in(self, token: str) -> Page:
        """Sign in with that token."""
        return await self.submit("/-/sign_in", "/-/sign_in", token=token)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that the browser keeps."""
        return {cookie.key: cookie.value for cookie in self._client.session.cookie_jar}


@asynccontextmanager
async def browsing(context: Context, **settings: Any) -> AsyncGenerator[Browser]:
    """Give a browser over an application of its own."""
    app = create_app(with_settings(context, **settings) if settings else context)
    async with TestClient(TestServer(app), cookie_jar=CookieJar(unsafe=True)) as client:
        yield Browser(client)
