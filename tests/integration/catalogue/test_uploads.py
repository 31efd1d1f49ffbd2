"""Uploads that go wrong, over a real socket."""

import asyncio
import gzip
import os
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest
from aiohttp import web

from schemas.messages.examples import example_fact
from schemas.messages.publications import PackageFilePublished
from schemas.statuses import PackageStatus
from service.app import create_runner
from service.catalogue import uploads
from service.catalogue.rows import uploads as upload_rows
from service.context import Context
from service.events import outbox
from tests.support.catalogue import objects_in, publish, query

_PATH = "/api/v4/projects/100/packages/generic/app/1.0/app.bin"


@pytest.fixture
async def address(filled: Context) -> AsyncGenerator[tuple[str, int]]:
    runner = create_runner(filled)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    yield site._server.sockets[0].getsockname()  # type: ignore[attr-defined]
    await runner.cleanup()


async def _begin(address: tuple[str, int], *, length: int, sent: int) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection(*address)
    head = f"PUT {_PATH} HTTP/1.1\r\nHost: yard\r\nPRIVATE-TOKEN: developer-token\r\nContent-Length: {length}\r\n\r\n"
    writer.write(head.encode() + b"x" * sent)
    await writer.drain()
    return writer


async def _until_empty(objects: Path) -> None:
    async with asyncio.timeout(10):
        while objects_in(objects):
            await asyncio.sleep(0.02)


async def test_an_aborted_upload_leaves_no_row_and_no_object(
    filled: Context, address: tuple[str, int], objects: Path
) -> None:
    writer = await _begin(address, length=50_000_000, sent=20_000_000)
    async with asyncio.timeout(10):
        while not objects_in(objects):
            await asyncio.sleep(0.02)

    writer.transport.abort()
    await _until_empty(objects)

    assert await query(filled, "SELECT id FROM package") == []
    assert await query(filled, "SELECT id FROM package_file") == []


async def test_an_upload_whose_rows_are_refused_leaves_no_object(filled: Context, objects: Path) -> None:
    await query(filled, "ALTER TABLE package ADD CONSTRAINT nothing_more CHECK (name <> 'app')")

    with pytest.raises(Exception, match="nothing_more"):
        await publish(filled, status=PackageStatus.DEFAULT)

    assert objects_in(objects) == set()


async def test_memory_does_not_grow_with_the_size_of_an_upload(
    filled: Context, address: tuple[str, int], objects: Path
) -> None:
    size, chunk = int(os.environ.get("UPLOAD_MIB", "192")), os.urandom(1 << 20)  # noqa: TID251 - size of the test
    writer = await _begin(address, length=size << 20, sent=0)
    process = psutil.Process()
    before, peak = process.memory_info().rss, 0

    for _ in range(size):
        writer.write(chunk)
        await writer.drain()
        peak = max(peak, process.memory_info().rss)
    async with asyncio.timeout(60):
        while not (rows := await query(filled, "SELECT size FROM package_file")):
            await asyncio.sleep(0.02)
    writer.close()

    assert rows[0]["size"] == size << 20
    assert peak - before < 64 << 20
    assert (objects / next(iter(objects_in(objects)))).stat().st_size == size << 20
    assert urlsplit(filled.settings.storage_url).scheme == "file"


async def test_a_body_that_says_it_is_compressed_is_stored_as_it_was_sent(
    filled: Context, address: tuple[str, int], objects: Path
) -> None:
    body = gzip.compress(b"x" * 100_000)
    async with aiohttp.ClientSession(f"http://{address[0]}:{address[1]}") as session:
        headers = {"PRIVATE-TOKEN": "developer-token", "Content-Encoding": "gzip"}
        async with session.put(_PATH, data=body, headers=headers) as answer:
            assert answer.status == 201

    (stored,) = objects_in(objects)
    assert (objects / stored).read_bytes() == body


async def test_an_upload_whose_commit_is_in_doubt_keeps_its_object(filled: Context, objects: Path) -> None:
    package_id = await publish(filled)
    stored = await filled.store.put("projects/100/aa/doubtful", _once(b"bytes"))

    async with asyncio.TaskGroup() as group, filled.database.transaction() as connection:
        await upload_rows.insert_file(
            connection,
            package_id=package_id,
            file_name="doubtful",
            stored=stored,
            announcement=outbox.event(example_fact(PackageFilePublished)),
        )
        # The client of this transaction has lost its connection and does not know how it will end.
        asking = group.create_task(uploads.remove_unreferenced(filled.database, filled.store, stored.key))
        await asyncio.sleep(0.3)
        assert not asking.done()

    assert stored.key in objects_in(objects)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
