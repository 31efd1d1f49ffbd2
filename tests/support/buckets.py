"""Stores of a test's own: in a folder, in memory, and on the S3 server of the run."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp
import pytest

from service.infra.storage.interface import ObjectStore
from service.infra.storage.opening import open_store
from service.settings import Settings, load_settings
from tests.support.catalogue import objects_in
from tests.support.seaweed import ADMIN, BUCKET
from tests.support.servers import Servers

_UNUSED: Final = {"PACKYARD_DATABASE_URL": "postgresql://nowhere/yard", "PACKYARD_BROKER_URL": "amqp://nowhere/"}


def sign_in(monkeypatch: pytest.MonkeyPatch, access_key: str, secret: str) -> None:
    """Let the clients of S3 in this process and in those that it starts find these credentials."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)


def sign_in_as_admin(monkeypatch: pytest.MonkeyPatch, servers: Servers) -> None:
    """Let them find those of who may do everything."""
    sign_in(monkeypatch, ADMIN, servers.s3_secret)


def open_at(url: str, **settings: str) -> ObjectStore:
    """Open the store at *url* with further settings of storage, such as `endpoint`."""
    named = {f"PACKYARD_STORAGE_{name.upper()}": value for name, value in settings.items()}
    return open_store(load_settings(environment={**_UNUSED, "PACKYARD_STORAGE_URL": url, **named}))


def new_prefix(bucket: str = BUCKET) -> str:
    """Return the URL of a place in the bucket that nobody has used."""
    return f"s3://{bucket}/{uuid4().hex}"


class BucketWatcher:
    """Reads the bucket without S3, hence without any code of the product's."""

    def __init__(self, filer_url: str, url: str) -> None:
        self._filer_url = filer_url
        self._prefix = url.removeprefix(f"s3://{BUCKET}/")

    async def keys(self) -> set[str]:
        """Return the keys of all objects below the prefix but the mark."""
        async with aiohttp.ClientSession(self._filer_url) as session:
            found = {key async for key in _walk(session, f"/buckets/{BUCKET}/{self._prefix}")}
        return found - {".packyard"}

    async def parts(self) -> set[str]:
        """Return the parts of uploads to the whole bucket that are not at their end."""
        async with aiohttp.ClientSession(self._filer_url) as session:
            return {key async for key in _walk(session, f"/buckets/{BUCKET}/.uploads")}


async def keys_seen(settings: Settings, filer_url: str) -> set[str]:
    """Return the keys of all objects of a yard in a folder or in a bucket, without any code of the product's."""
    if settings.storage_url.startswith("s3:"):
        return await BucketWatcher(filer_url, settings.storage_url).keys()
    found = await asyncio.to_thread(objects_in, Path(settings.storage_url.removeprefix("file://")))
    return {key for key in found if not key.startswith(".packyard/")}


async def _walk(session: aiohttp.ClientSession, folder: str, within: str = "") -> AsyncIterator[str]:
    last = ""
    while True:
        page = await _page(session, f"{folder}/{within}", last)
        for entry in page.get("Entries") or ():
            name = entry["FullPath"].removeprefix(f"{folder}/")
            if entry["Mode"] & 1 << 31:
                async for key in _walk(session, folder, f"{name}/"):
                    yield key
            else:
                yield name
        if not page.get("ShouldDisplayLoadMore"):
            return
        last = page["LastFileName"]


async def _page(session: aiohttp.ClientSession, folder: str, last: str) -> Mapping[str, Any]:
    parameters = {"limit": "1000", "lastFileName": last}
    headers = {"Accept": "application/json"}
    async with session.get(f"{folder.rstrip('/')}/", params=parameters, headers=headers) as answer:
        if answer.status == 404:
            return {}
        answer.raise_for_status()
        found: dict[str, Any] = await answer.json()
        return found


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    """Give the chunks as a stream."""
    for chunk in chunks:
        yield chunk
        await asyncio.sleep(0)
