"""Browsers for tests of the pages."""

from collections.abc import AsyncGenerator

import pytest

from service.context import Context
from tests.support.browsing import Browser, browsing


@pytest.fixture
async def stranger(filled: Context) -> AsyncGenerator[Browser]:
    """A browser in which nobody is signed in."""
    async with browsing(filled, external_url=None) as browser:
        yield browser


@pytest.fixture
async def maintainer(filled: Context) -> AsyncGenerator[Browser]:
    """A browser in which Mary is signed in, the maintainer of acme."""
    async with browsing(filled, external_url=None) as browser:
        assert (await browser.sign_in("maintainer-token")).status == 303
        yield browser
