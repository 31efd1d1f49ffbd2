"""The rules for every object store: a folder, memory, and a real S3 server."""

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import psutil
import pytest

from service.errors import ObjectMissingError
from service.infra.storage.bucket.store import memory_store
from service.infra.storage.interface import DELETE_CHUNK, ObjectStore, StoredObject, new_key
from service.refusals import BadRequestError
from tests.support.buckets import new_prefix, open_at, sign_in_as_admin, stream
from tests.support.servers import Servers

_MIB = 1024 * 1024


_INSTANCE: Final = "01920000-0000-7000-8000-000000000000"


@pytest.fixture(params=["folder", "memory", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """An adopted, empty store of each kind."""
    match request.param:
        case "folder":
            opened: ObjectStore = open_at((tmp_path / "objects").as_uri())
        case "memory":
            opened = memory_store()
        case _:
            servers: Servers = request.getfixturevalue("servers")
            sign_in_as_admin(monkeypatch, servers)
            opened = open_at(new_prefix(), endpoint=servers.s3_endpoint)
    await opened.adopt()
    return opened


async def _read(store: ObjectStore, key: str, *, start: int = 0, end: int | None = None) -> bytes:
    async with store.get(key, start=start, end=end) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def _keys(store: ObjectStore, prefix: str = "") -> list[str]:
    return [found.key async for piece in store.list(prefix) for found in piece]


async def _put_many(store: ObjectStore, keys: list[str]) -> None:
    for start in range(0, len(keys), 50):
        async with asyncio.TaskGroup() as group:
            for key in keys[start : start + 50]:
                group.create_task(store.put(key, stream(b"x")))


@pytest.mark.parametrize("content", [b"", b"12345"])
async def test_a_part_of_no_bytes_is_got_from_what_is_there(store: ObjectStore, content: bytes) -> None:
    await store.put("p/1/a", stream(content))

    assert await _read(store, "p/1/a", start=0, end=0) == b""
    assert await _read(store, "p/1/a", start=len(content), end=len(content)) == b""
    with pytest.raises(ObjectMissingError):
        await _read(store, "p/1/b", start=0, end=0)


@pytest.mark.parametrize("size", [0, 1, 100_000, 8 * _MIB, 8 * _MIB + 1, 20 * _MIB])
async def test_what_was_put_is_got_with_its_size_and_checksums(store: ObjectStore, size: int) -> None:
    content = os.urandom(size)
    pieces = [content[start : start + 300_000] for start in range(0, size, 300_000)]

    stored = await store.put("p/1/a", stream(*pieces))

    assert await _read(store, "p/1/a") == content
    assert (stored.key, stored.size) == ("p/1/a", size)
    assert stored.md5 == hashlib.md5(content, usedforsecurity=False).digest()
    assert stored.sha1 == hashlib.sha1(content, usedforsecurity=False).digest()
    assert stored.sha256 == hashlib.sha256(content).digest()


@pytest.mark.parametrize(("start", "end"), [(0, 1), (0, 10), (9, 10), (4, 8), (3, None), (0, None), (9, None)])
async def test_a_range_is_its_bytes(store: ObjectStore, start: int, end: int | None) -> None:
    await store.put("p/1/a", stream(b"0123456789"))

    assert await _read(store, "p/1/a", start=start, end=end) == b"0123456789"[start:end]


async def test_a_range_in_the_middle_of_a_large_object_is_its_bytes(store: ObjectStore) -> None:
    content = os.urandom(12 * _MIB)
    await store.put("p/1/a", stream(content))

    assert await _read(store, "p/1/a", start=3 * _MIB + 5, end=9 * _MIB) == content[3 * _MIB + 5 : 9 * _MIB]


async def test_head_tells_size_and_age_and_none_of_what_is_not_there(store: ObjectStore) -> None:
    await store.put("p/1/a", stream(b"12345"))

    found = await store.head("p/1/a")

    assert found is not None
    assert (found.key, found.size) == ("p/1/a", 5)
    assert found.modified.tzinfo is not None
    assert await store.head("p/1/b") is None
    assert await store.head("p/1") is None
    assert await store.head("p/1/a/b") is None


async def test_what_is_not_there_cannot_be_got(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissingError):
        await _read(store, "p/1/a")


async def test_a_list_has_the_objects_below_a_folder_by_their_keys(store: ObjectStore) -> None:
    keys = ["p/1/b", "p/1/a", "p/10/a", "p/2/aa/x", "p/2/ab/x", "q/1"]
    await _put_many(store, keys)

    assert await _keys(store) == sorted(keys)
    assert await _keys(store, "p/1") == ["p/1/a", "p/1/b"]
    assert await _keys(store, "p/1/") == ["p/1/a", "p/1/b"]
    assert await _keys(store, "p/2") == ["p/2/aa/x", "p/2/ab/x"]
    assert await _keys(store, "r") == []
    assert [found.size async for piece in store.list("q") for found in piece] == [1]


async def test_a_long_list_comes_in_pieces_and_in_order(store: ObjectStore) -> None:
    keys = [new_key(project) for project in (7, 70, 8) for _ in range(850)]
    await _put_many(store, keys)

    pieces = [[found.key for found in piece] async for piece in store.list("projects")]

    assert [key for piece in pieces for key in piece] == sorted(keys)
    assert max(len(piece) for piece in pieces) <= DELETE_CHUNK


async def test_a_list_can_be_left_in_the_middle(store: ObjectStore) -> None:
    await _put_many(store, [f"p/{number:04}" for number in range(1_100)])

    async for piece in store.list("p"):
        assert piece[0].key == "p/0000"
        break


async def test_bulk_delete_removes_what_is_there_whatever_is_gone_already(store: ObjectStore) -> None:
    await _put_many(store, [f"p/{number}" for number in range(10)])
    await store.delete(["p/0"])

    failures = await store.delete(["p/0", "p/never", *(f"p/{number}" for number in range(1, 9)), "q/never"])

    assert failures == {}
    assert await _keys(store) == ["p/9"]


async def test_deleting_what_is_gone_or_nothing_at_all_is_no_failure(store: ObjectStore) -> None:
    assert await store.delete([]) == {}
    assert await store.delete(["p/1/a"]) == {}
    assert await store.delete(["p/1/a", "p/1/b"]) == {}


async def test_2500_objects_go_in_chunks_of_a_thousand(store: ObjectStore) -> None:
    keys = [new_key(1) for _ in range(2_500)]
    await _put_many(store, keys)

    for start in range(0, 2_500, DELETE_CHUNK):
        assert await store.delete(keys[start : start + DELETE_CHUNK]) == {}

    assert await _keys(store) == []
    assert await store.is_ours()


async def _breaking(*chunks: bytes) -> AsyncIterator[bytes]:
    async for chunk in stream(*chunks):
        yield chunk
    raise ConnectionResetError("the client went away")


@pytest.mark.parametrize("size", [10, 20 * _MIB])
async def test_a_stream_that_breaks_leaves_nothing(store: ObjectStore, size: int) -> None:
    with pytest.raises(ConnectionResetError, match="the client went away"):
        await store.put("p/1/a", _breaking(b"x" * size))

    assert await store.head("p/1/a") is None
    assert await _keys(store) == []


@pytest.mark.parametrize("size", [10, 20 * _MIB])
async def test_an_object_that_the_check_refuses_is_never_there(store: ObjectStore, size: int) -> None:
    def refuse(stored: StoredObject) -> None:
        raise BadRequestError(stored.sha256.hex())

    content = b"x" * size

    with pytest.raises(BadRequestError, match=hashlib.sha256(content).hexdigest()):
        await store.put("p/1/a", stream(content), check=refuse)

    assert await store.head("p/1/a") is None
    assert await _keys(store) == []


def _slow_sync(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Let each file wait after it was synced; return the events that say so, and that let it go on."""
    is_synced, may_go_on, sync = threading.Event(), threading.Event(), os.fsync

    def sync_slowly(descriptor: int) -> None:
        sync(descriptor)
        is_synced.set()
        assert may_go_on.wait(timeout=10)

    monkeypatch.setattr(os, "fsync", sync_slowly)
    return is_synced, may_go_on


async def test_a_put_that_is_cancelled_while_the_file_gets_its_name_leaves_nothing_under_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_synced, may_go_on = _slow_sync(monkeypatch)
    store = open_at((tmp_path / "objects").as_uri())
    await store.adopt()

    putting = asyncio.create_task(store.put("p/1/a", stream(b"bytes")))
    assert await asyncio.to_thread(is_synced.wait, 10)
    putting.cancel()
    asyncio.get_running_loop().call_later(0.1, may_go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert await store.head("p/1/a") is None
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []


async def test_a_put_that_is_cancelled_leaves_nothing_under_its_key(store: ObjectStore) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * _MIB
            begun.set()
            await asyncio.sleep(0.01)

    putting = asyncio.create_task(store.put("p/1/a", endless()))
    await begun.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert await store.head("p/1/a") is None
    assert await _keys(store) == []


async def test_small_objects_are_put_together_with_their_sizes_and_checksums(store: ObjectStore) -> None:
    contents = {f"p/{number % 3}/{number}": bytes([number]) * number for number in range(20)}

    stored = await store.put_all(contents)

    assert {key: (one.key, one.size, one.md5) for key, one in stored.items()} == {
        key: (key, len(content), hashlib.md5(content, usedforsecurity=False).digest())
        for key, content in contents.items()
    }
    assert {key: await _read(store, key) for key in await _keys(store)} == contents


async def test_objects_whose_putting_together_is_cancelled_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_synced, may_go_on = _slow_sync(monkeypatch)
    store = open_at((tmp_path / "objects").as_uri())
    await store.adopt()

    putting = asyncio.create_task(store.put_all({"p/1/a": b"bytes", "p/1/b": b""}))
    assert await asyncio.to_thread(is_synced.wait, 10)
    putting.cancel()
    asyncio.get_running_loop().call_later(0.1, may_go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await putting

    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []


async def test_200_puts_and_gets_at_a_time_do_not_mix(store: ObjectStore) -> None:
    async def there_and_back(number: int) -> None:
        content = str(number).encode() * 1_000
        await store.put(f"p/{number}", stream(content))
        assert await _read(store, f"p/{number}") == content

    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(there_and_back(number))


@pytest.mark.parametrize("store", ["folder", "s3"], indirect=True)
async def test_a_large_object_comes_and_goes_in_little_memory(store: ObjectStore) -> None:
    size, chunk = int(os.environ.get("UPLOAD_MIB", "256")), os.urandom(_MIB)  # noqa: TID251 - size of the test
    process, peak = psutil.Process(), 0
    before = process.memory_info().rss

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal peak
        for _ in range(size):
            yield chunk
            peak = max(peak, process.memory_info().rss)

    await store.put("p/1/a", chunks())
    left = size * _MIB
    async with store.get("p/1/a") as pieces:
        async for piece in pieces:
            left -= len(piece)
            peak = max(peak, process.memory_info().rss)

    assert left == 0
    assert peak - before < 64 * _MIB


async def test_a_store_is_ours_once_it_was_adopted(store: ObjectStore) -> None:
    assert await store.is_ours()
    assert await store.owner() == ""
    await store.adopt(_INSTANCE)
    assert await store.is_ours()
    assert await store.owner() == _INSTANCE
    await store.keeps_removed()
    assert await store.owner() == _INSTANCE
    assert [found async for piece in store.list() for found in piece] == []
    assert await _keys(store) == []
    assert not await store.keeps_removed()


async def test_an_object_is_moved_whole_and_nothing_is_left_of_its_old_place(store: ObjectStore) -> None:
    content = os.urandom(100_000)
    await store.put("p/1/a", stream(content))

    await store.move("p/1/a", "quarantine/p/1/a")

    assert await _keys(store) == ["quarantine/p/1/a"]
    assert await _read(store, "quarantine/p/1/a") == content
    assert await store.head("p/1/a") is None


async def test_what_is_not_there_cannot_be_moved(store: ObjectStore) -> None:
    await store.put("p/2/b", stream(b"target"))

    with pytest.raises(ObjectMissingError):
        await store.move("p/1/a", "p/2/b")

    assert await _read(store, "p/2/b") == b"target"


async def test_an_object_that_is_moved_replaces_what_is_there(store: ObjectStore) -> None:
    await store.put("p/1/a", stream(b"moved"))
    await store.put("p/2/b", stream(b"replaced"))

    await store.move("p/1/a", "p/2/b")

    assert await _keys(store) == ["p/2/b"]
    assert await _read(store, "p/2/b") == b"moved"
