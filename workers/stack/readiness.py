"""Waiting until the API answers that it is ready."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import aiohttp

_PAUSE_S: Final = 0.05


async def until_ready(base_url: str, *, within_s: float, require_alive: Callable[[], object]) -> None:
    """Ask until the API is ready; *require_alive* raises when its process can never become so.

    Raises:
        TimeoutError: it was not ready in time.
    """
    async with asyncio.timeout(within_s), aiohttp.ClientSession(base_url) as session:
        while not await _answers(session):
            require_alive()
            await asyncio.sleep(_PAUSE_S)
        require_alive()


async def _answers(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("/-/ready") as answer:
            return answer.status == HTTPStatus.OK
    except aiohttp.ClientError:
        return False
