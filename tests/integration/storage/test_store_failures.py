"""The kinds of failures of a store: temporary ones, final ones, and those that never count as gone."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from service.errors import ObjectMissingError, ObjectStuckError, StorageRefusedError, StorageUnavailableError
from service.infra.storage.interface import MARK, ObjectStore, Patience
from tests.support.buckets import BucketWatcher, new_prefix, open_at, sign_in, sign_in_as_admin, stream
from tests.support.proxy import Proxy, proxy_before
from tests.support.seaweed import ADMIN, READER, VERSIONED, SeaweedFS
from tests.support.servers import Servers
from workers.stack.state import StackState

_MIB: Final = 1024 * 1024
_HASTY: Final = {"connect_timeout": "1s", "request_timeout": "2s", "retries": "1"}


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch, servers: Servers) -> Servers:
    """The servers, to which this process has credentials."""
    sign_in_as_admin(monkeypatch, servers)
    return servers


@pytest.fixture
async def proxy(signed_in: Servers) -> AsyncGenerator[Proxy]:
    """A proxy before the S3 server."""
    async with proxy_before(signed_in.s3_endpoint) as opened:
        yield opened


@pytest.fixture
async def bucket(proxy: Proxy) -> ObjectStore:
    """An adopted store behind the proxy, that does not wait for long."""
    store = open_at(new_prefix(), endpoint=proxy.endpoint, **_HASTY)
    await store.adopt()
    return store


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    """The folder of the next one."""
    return tmp_path / "objects"


@pytest.fixture
async def folder(objects: Path) -> ObjectStore:
    """An adopted store in a folder."""
    store = open_at(objects.as_uri())
    await store.adopt()
    return store


async def _read(store: ObjectStore, key: str) -> bytes:
    async with store.get(key) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def _is_there(store: ObjectStore, key: str) -> bool:
    """Return whether a server that has just come back serves the object already."""
    with suppress(StorageUnavailableError):
        return bool(await _read(store, key))
    return False


async def _every_use_fails(store: ObjectStore, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        await store.put("p/1", stream(b"x"))
    with pytest.raises(error, match=match):
        await store.put("p/1", stream(b"x" * 20 * _MIB))
    with pytest.raises(error, match=match):
        await store.head("p/1")
    with pytest.raises(error, match=match):
        await _read(store, "p/1")
    with pytest.raises(error, match=match):
        _ = [piece async for piece in store.list()]


@pytest.mark.parametrize(
    ("access_key", "secret", "code"),
    [(ADMIN, "not its secret", "SignatureDoesNotMatch"), ("nobody", "at all", "InvalidAccessKeyId")],
)
async def test_wrong_credentials_are_final(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, access_key: str, secret: str, code: str
) -> None:
    sign_in(monkeypatch, access_key, secret)
    store = open_at(new_prefix(), endpoint=servers.s3_endpoint, **_HASTY)

    # The answer to a HEAD has no body, hence no code.
    with pytest.raises(StorageRefusedError, match="s3:GetObject and s3:ListBucket"):
        await store.head("p/1")
    with pytest.raises(StorageRefusedError, match=code):
        await store.put("p/1", stream(b"x"))
    with pytest.raises(StorageRefusedError, match=code):
        await store.put("p/1", stream(b"x" * 20 * _MIB))
    failures = await store.delete(["p/1", "p/2"])
    assert set(failures) == {"p/1", "p/2"}
    assert all(isinstance(failure, StorageRefusedError) and code in str(failure) for failure in failures.values())


async def test_who_may_not_remove_is_told_of_the_permission_at_once(
    signed_in: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_prefix()
    await open_at(url, endpoint=signed_in.s3_endpoint).put("p/1", stream(b"x"))
    sign_in(monkeypatch, READER, signed_in.s3_reader_secret)
    store = open_at(url, endpoint=signed_in.s3_endpoint)

    failures = await store.delete(["p/1", "p/2"])

    assert {key: type(failure) for key, failure in failures.items()} == dict.fromkeys(
        ["p/1", "p/2"], StorageRefusedError
    )
    assert str(failures["p/1"]) == (
        "not allowed to delete objects, which takes the permission s3:DeleteObject (AccessDenied)"
    )
    with pytest.raises(StorageRefusedError, match="s3:PutObject"):
        await store.put("p/3", stream(b"x"))
    assert await _read(store, "p/1") == b"x"


async def test_a_bucket_that_is_missing_is_no_empty_one(signed_in: Servers) -> None:
    store = open_at("s3://nowhere/yard", endpoint=signed_in.s3_endpoint)

    assert not await store.is_ours()
    with pytest.raises(StorageUnavailableError, match="the bucket is not there"):
        await store.put("p/1", stream(b"x"))
    with pytest.raises(StorageUnavailableError, match="the bucket is not there"):
        await store.delete(["p/1", "p/2"])
    with pytest.raises(StorageUnavailableError, match="the bucket is not there"):
        await store.adopt()
    with pytest.raises(ObjectMissingError):
        await _read(store, "p/1")


async def test_a_server_that_is_down_may_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seaweed = SeaweedFS(tmp_path, StackState(tmp_path / "stack.json"))
    try:
        await seaweed.start()
        sign_in(monkeypatch, ADMIN, seaweed.secret(ADMIN))
        store = open_at(new_prefix(), endpoint=seaweed.endpoint, **_HASTY)
        await store.adopt()
        await store.put("p/1", stream(b"x"))

        await seaweed.stop()
        began = time.monotonic()
        await _every_use_fails(store, StorageUnavailableError, "error sending request")
        with pytest.raises(StorageUnavailableError, match="error sending request"):
            await store.delete(["p/1", "p/2"])
        with pytest.raises(StorageUnavailableError):
            await store.is_ours()
        assert time.monotonic() - began < 30

        await seaweed.start()
        async with asyncio.timeout(20):
            while not await _is_there(store, "p/1"):
                await asyncio.sleep(0.1)
        assert await _read(store, "p/1") == b"x"
        assert await store.delete(["p/1", "p/2"]) == {}
        assert await store.head("p/1") is None
    finally:
        await seaweed.kill()


async def test_a_slow_server_is_waited_for(bucket: ObjectStore, proxy: Proxy) -> None:
    proxy.faults.delay_s = 0.5

    await bucket.put("p/1", stream(b"x"))

    assert await _read(bucket, "p/1") == b"x"
    assert await bucket.delete(["p/1"]) == {}


async def test_a_server_that_is_too_slow_is_given_up(bucket: ObjectStore, proxy: Proxy) -> None:
    await bucket.put("p/1", stream(b"x"))
    proxy.faults.delay_s = 60
    began = time.monotonic()

    with pytest.raises(StorageUnavailableError):
        await bucket.put("p/2", stream(b"x"))
    with pytest.raises(StorageUnavailableError):
        await bucket.delete(["p/1"])
    with pytest.raises(StorageUnavailableError):
        await bucket.head("p/1")

    assert time.monotonic() - began < 3 * 2 * 2.5


async def test_a_read_whose_first_piece_does_not_come_is_given_up(
    bucket: ObjectStore, folder: ObjectStore, objects: Path, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = Patience(first_byte=timedelta(seconds=0.3), removal=timedelta(seconds=60))
    monkeypatch.setattr("service.infra.storage.folder.store.DEFAULT_PATIENCE", soon)
    monkeypatch.setattr(bucket, "_patience", soon)
    await bucket.put("p/1", stream(b"x"))
    proxy.faults.delay_s = 1.5
    (objects / "p").mkdir()
    os.mkfifo(objects / "p/1")  # Nobody writes into it, so that it cannot be opened.
    began = time.monotonic()

    for store in (bucket, folder):
        with pytest.raises(StorageUnavailableError, match="did not answer in time"):
            await _read(store, "p/1")
    with pytest.raises(StorageUnavailableError, match="did not answer in time"):
        await bucket.head("p/1")

    assert time.monotonic() - began < 1.5
    os.close(os.open(objects / "p/1", os.O_WRONLY))


async def test_an_object_that_takes_longer_than_a_request_may_is_got_whole(bucket: ObjectStore, proxy: Proxy) -> None:
    content = os.urandom(_MIB)
    await bucket.put("p/1", stream(content))
    proxy.faults.delay_s = 0.06  # for each of at least 64 pieces

    began = time.monotonic()
    assert await _read(bucket, "p/1") == content
    assert time.monotonic() - began > 2


async def test_a_server_that_asks_to_slow_down_once_is_asked_again(bucket: ObjectStore, proxy: Proxy) -> None:
    await bucket.put("p/1", stream(b"x"))
    store = open_at(new_prefix(), endpoint=proxy.endpoint, **_HASTY)  # with no connection yet
    proxy.faults.slow_downs = 1
    await store.put("p/1", stream(b"x"))
    another = open_at(new_prefix(), endpoint=proxy.endpoint, **_HASTY)
    proxy.faults.slow_downs = 1

    assert await another.delete(["p/1"]) == {}
    assert proxy.faults.slow_downs == 0


async def test_a_server_that_asks_to_slow_down_for_long_is_left_alone(proxy: Proxy) -> None:
    store = open_at(new_prefix(), endpoint=proxy.endpoint, **_HASTY)
    proxy.faults.slow_downs = 1_000

    with pytest.raises(StorageUnavailableError, match="SlowDown"):
        await store.delete([f"p/{number}" for number in range(1_000)])

    # One request and its one repetition: no storm of a thousand single ones.
    assert proxy.faults.slow_downs == 998
    with pytest.raises(StorageUnavailableError, match="SlowDown"):
        await store.put("p/1", stream(b"x" * 20 * _MIB))


async def test_an_upload_whose_connection_is_reset_is_sent_again(proxy: Proxy) -> None:
    store = open_at(new_prefix(), endpoint=proxy.endpoint, retries="1")
    proxy.faults.request_cuts, proxy.faults.cut_after = 1, 100_000
    content = os.urandom(20 * _MIB)

    await store.put("p/1", stream(content))

    assert proxy.faults.request_cuts == 0
    assert await _read(store, "p/1") == content


async def test_an_upload_whose_connections_are_all_reset_leaves_nothing(proxy: Proxy, signed_in: Servers) -> None:
    url = new_prefix()
    store = open_at(url, endpoint=proxy.endpoint, **_HASTY)
    proxy.faults.request_cuts, proxy.faults.cut_after = 1_000, 100_000

    with pytest.raises(StorageUnavailableError):
        await store.put("p/1", stream(os.urandom(20 * _MIB)))

    assert await BucketWatcher(signed_in.s3_filer_url, url).keys() == set()


async def test_a_download_whose_connection_is_reset_goes_on_where_it_was(proxy: Proxy) -> None:
    store = open_at(new_prefix(), endpoint=proxy.endpoint, **_HASTY)
    content = os.urandom(4 * _MIB)
    await store.put("p/1", stream(content))
    reading = open_at(f"s3://{_place(store)}", endpoint=proxy.endpoint, **_HASTY)
    proxy.faults.cuts, proxy.faults.cut_after = 1, 1_000_000

    assert await _read(reading, "p/1") == content
    assert proxy.faults.cuts == 0


async def test_a_download_whose_connections_are_all_reset_fails_and_never_ends_short(proxy: Proxy) -> None:
    store = open_at(new_prefix(), endpoint=proxy.endpoint, **_HASTY)
    await store.put("p/1", stream(os.urandom(4 * _MIB)))
    reading = open_at(f"s3://{_place(store)}", endpoint=proxy.endpoint, **_HASTY)
    proxy.faults.cuts, proxy.faults.cut_after = 1_000, 1_000_000

    with pytest.raises(StorageUnavailableError):
        await _read(reading, "p/1")


async def test_a_removal_whose_answer_is_lost_is_known_by_the_next(proxy: Proxy) -> None:
    url = new_prefix()
    store = open_at(url, endpoint=proxy.endpoint, **_HASTY)
    await store.put("p/1", stream(b"x"))
    cut_off = open_at(url, endpoint=proxy.endpoint, **_HASTY)
    proxy.faults.cuts, proxy.faults.cut_after = 1_000, 10

    with pytest.raises(StorageUnavailableError):
        await cut_off.delete(["p/1"])
    proxy.faults.cuts = 0

    assert await cut_off.delete(["p/1"]) == {}
    assert await store.head("p/1") is None


async def test_a_large_upload_that_breaks_leaves_no_part_in_the_bucket(signed_in: Servers) -> None:
    store = open_at(new_prefix(), endpoint=signed_in.s3_endpoint)

    async def breaking() -> AsyncIterator[bytes]:
        async for chunk in stream(*[b"x" * _MIB] * 40):
            yield chunk
        raise ConnectionResetError("the client went away")

    watcher = BucketWatcher(signed_in.s3_filer_url, "")
    before = await watcher.parts()
    with pytest.raises(ConnectionResetError):
        await store.put("p/1", breaking())

    assert await watcher.parts() <= before


async def test_a_bucket_that_keeps_versions_is_told_apart(signed_in: Servers) -> None:
    store = open_at(new_prefix(VERSIONED), endpoint=signed_in.s3_endpoint)
    await store.adopt()

    assert await store.keeps_removed()
    assert await store.keeps_removed()


async def test_a_folder_that_comes_and_goes_makes_nothing_count_as_gone(folder: ObjectStore, objects: Path) -> None:
    keys = [f"p/{number}" for number in range(20)]
    away = objects.with_name("away")

    async def try_once() -> set[str]:
        """Return what was said to be gone and is there."""
        for key in keys:
            if not (objects / key).exists():
                (objects / "p").mkdir(exist_ok=True)
                (objects / key).write_bytes(b"x")
        stop = threading.Event()
        flipping = threading.Thread(target=_flip, args=(objects, away, stop))
        flipping.start()
        try:
            failures = await folder.delete(keys)
        except StorageUnavailableError:
            failures = dict.fromkeys(keys, Exception())
        finally:
            stop.set()
            flipping.join()
        return {key for key in keys if key not in failures and (objects / key).exists()}

    for _ in range(300):
        assert await try_once() == set()


def _flip(objects: Path, away: Path, stop: threading.Event) -> None:
    while not stop.is_set():
        objects.rename(away)
        time.sleep(0.0002)
        away.rename(objects)
        time.sleep(0.0002)


async def test_an_empty_folder_in_the_place_of_ours_makes_nothing_count_as_gone(
    folder: ObjectStore, objects: Path
) -> None:
    await folder.put("p/1", stream(b"x"))
    objects.rename(objects.with_name("away"))
    objects.mkdir()

    await _every_use_fails(folder, StorageUnavailableError, "is the volume mounted")
    with pytest.raises(StorageUnavailableError, match="is the volume mounted"):
        await folder.delete(["p/1"])
    assert not await folder.is_ours()
    assert list(objects.iterdir()) == []


async def test_what_cannot_be_removed_from_a_folder_does_not_stop_the_rest(folder: ObjectStore, objects: Path) -> None:
    for key in ("p/1", "p/2"):
        await folder.put(key, stream(b"x"))
    (objects / "p/stubborn/inside").mkdir(parents=True)

    failures = await folder.delete(["p/1", "p/stubborn", "p/2"])

    assert {key: type(failure) for key, failure in failures.items()} == {"p/stubborn": ObjectStuckError}
    assert sorted(path.name for path in (objects / "p").iterdir()) == ["stubborn"]


async def test_empty_folders_go_with_their_last_object(folder: ObjectStore, objects: Path) -> None:
    for key in ("p/1/aa/x", "p/1/aa/y", "p/1/ab/x"):
        await folder.put(key, stream(b"x"))

    await folder.delete(["p/1/aa/x", "p/1/ab/x"])
    assert sorted(str(path.relative_to(objects)) for path in (objects / "p").rglob("*")) == [
        "p/1",
        "p/1/aa",
        "p/1/aa/y",
    ]
    await folder.delete(["p/1/aa/y"])

    assert [path.name for path in objects.iterdir()] == [MARK]
    assert list((objects / MARK).iterdir()) == []


async def test_an_upload_into_a_folder_that_is_just_being_removed_finds_it_again(folder: ObjectStore) -> None:
    async def come_and_go(name: str) -> None:
        for _ in range(50):
            await folder.put(f"p/1/aa/{name}", stream(b"x"))
            assert await folder.delete([f"p/1/aa/{name}"]) == {}

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(come_and_go(str(number)))


async def test_what_a_killed_upload_left_goes_when_it_is_a_day_old(folder: ObjectStore, objects: Path) -> None:
    fresh, stale = objects / MARK / "fresh.partial", objects / MARK / "stale.partial"
    for path in (fresh, stale):
        path.write_bytes(b"half of it")
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(stale, (two_days_ago, two_days_ago))

    open_at(objects.as_uri())

    assert list((objects / MARK).iterdir()) == [fresh]


def _place(store: ObjectStore) -> str:
    backend = store._backend  # type: ignore[attr-defined]
    return f"{backend.config['bucket']}/{backend.prefix}"
