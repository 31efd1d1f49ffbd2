"""Removals from a real S3 server, behind a proxy that answers some of them in its place."""

import asyncio
from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest
from aiohttp import web

from service.errors import ObjectStuckError, StorageRefusedError, StorageUnavailableError
from service.infra.storage.bucket.store import BucketStore
from service.infra.storage.interface import ObjectStore
from tests.support.bucket_faults import RemovalProxy, failure, removal_proxy_before, result
from tests.support.buckets import BucketWatcher, open_at, sign_in, sign_in_as_admin, stream
from tests.support.seaweed import ADMIN, BUCKET
from tests.support.servers import Servers

_KEYS = [f"p/{number:02}" for number in range(40)]


@pytest.fixture
def url() -> str:
    """A place in the bucket, with a name that XML and addresses have to escape."""
    return f"s3://{BUCKET}/{uuid4().hex}/R&D <ü> +%"


@pytest.fixture
async def proxy(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[RemovalProxy]:
    """A proxy before the S3 server."""
    sign_in_as_admin(monkeypatch, servers)
    async with removal_proxy_before(servers.s3_endpoint) as opened:
        yield opened


@pytest.fixture
async def store(proxy: RemovalProxy, url: str) -> ObjectStore:
    """An adopted store behind the proxy, with an object for each of the keys."""
    opened = open_at(url, endpoint=proxy.endpoint, retries="0")
    await opened.adopt()
    await _fill(opened)
    return opened


@pytest.fixture
def watcher(servers: Servers, url: str) -> BucketWatcher:
    """Reads the bucket without S3."""
    return BucketWatcher(servers.s3_filer_url, url)


async def _fill(store: ObjectStore) -> None:
    async with asyncio.TaskGroup() as group:
        for key in _KEYS:
            group.create_task(store.put(key, stream(b"x")))


async def test_a_chunk_takes_one_request(store: ObjectStore, proxy: RemovalProxy, watcher: BucketWatcher) -> None:
    assert await store.delete([*_KEYS, "p/never"]) == {}

    assert (proxy.faults.bulks, proxy.faults.singles) == (1, [])
    assert await watcher.keys() == set()


@pytest.mark.parametrize(
    "answer",
    [
        failure(501, "NotImplemented"),
        failure(405, "MethodNotAllowed"),
        failure(400, "MalformedXML"),
        failure(500, "InternalError"),
        failure(200, "InternalError"),
        failure(403, "AccessDenied"),
        web.Response(text="<html>not what was asked for</html>"),
        web.Response(text="{}"),
        result(),
    ],
    ids=["501", "405", "400", "500", "200 with an error", "403", "another document", "no document", "no key"],
)
async def test_a_store_that_serves_no_bulk_delete_is_asked_for_single_ones(
    store: ObjectStore, proxy: RemovalProxy, watcher: BucketWatcher, answer: web.Response
) -> None:
    proxy.faults.bulk = lambda _: web.Response(status=answer.status, text=answer.text, content_type=answer.content_type)
    await store.delete([_KEYS[0]])
    proxy.faults.singles.clear()

    assert await store.delete(_KEYS) == {}
    assert await watcher.keys() == set()
    assert (proxy.faults.bulks, len(set(proxy.faults.singles))) == (1, len(_KEYS))

    # It is remembered for a while.
    assert await store.delete(_KEYS) == {}
    assert proxy.faults.bulks == 1
    assert isinstance(store, BucketStore)
    store._removals._bulk_again_at = 0
    proxy.faults.bulk = None
    await _fill(store)
    assert await store.delete(_KEYS) == {}
    assert (proxy.faults.bulks, await watcher.keys()) == (2, set())


async def test_a_key_that_the_answer_does_not_name_is_removed_by_itself(
    store: ObjectStore, proxy: RemovalProxy, watcher: BucketWatcher
) -> None:
    silent, named = _KEYS[:3], _KEYS[3:]
    assert await store.delete(named) == {}
    proxy.faults.bulk = lambda keys: result(removed=[key for key in keys if key[-4:] not in silent])

    assert await store.delete(_KEYS) == {}

    assert await watcher.keys() == set()
    assert len(proxy.faults.singles) == len(silent)


async def test_one_object_that_fails_again_and_again_holds_up_no_other(
    store: ObjectStore, proxy: RemovalProxy, watcher: BucketWatcher
) -> None:
    (stuck,) = proxy.faults.stuck = [_KEYS[0]]
    assert await store.delete(_KEYS[1:]) == {}
    proxy.faults.bulk = lambda keys: result(removed=keys[1:], failed=keys[:1])

    failures = await store.delete(_KEYS)

    assert {key: type(error) for key, error in failures.items()} == {stuck: ObjectStuckError}
    assert await watcher.keys() == {stuck}
    await store.delete(_KEYS)
    assert proxy.faults.bulks == 3  # An answer with failures is an answer.


async def test_many_objects_that_fail_hold_up_no_other(
    store: ObjectStore, proxy: RemovalProxy, watcher: BucketWatcher
) -> None:
    proxy.faults.bulk = lambda _: failure(501, "NotImplemented")
    proxy.faults.stuck = _KEYS[:30]

    failures = await store.delete(_KEYS)

    assert {key: type(error) for key, error in failures.items()} == dict.fromkeys(_KEYS[:30], ObjectStuckError)
    assert await watcher.keys() == set(_KEYS[:30])


async def test_a_key_that_is_refused_in_the_answer_is_not_asked_for_again(
    store: ObjectStore, proxy: RemovalProxy
) -> None:
    proxy.faults.bulk = lambda keys: result(removed=keys[1:], failed=keys[:1], code="AccessDenied")

    failures = await store.delete(_KEYS)

    assert {key: type(error) for key, error in failures.items()} == {_KEYS[0]: StorageRefusedError}
    assert proxy.faults.singles == []


async def test_credentials_that_may_remove_nothing_are_tried_with_one_object(
    store: ObjectStore, proxy: RemovalProxy, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(monkeypatch, ADMIN, "not its secret")
    other = open_at(url, endpoint=proxy.endpoint, retries="0")

    failures = await other.delete(_KEYS)

    assert {key: type(error) for key, error in failures.items()} == dict.fromkeys(_KEYS, StorageRefusedError)
    assert (proxy.faults.bulks, len(proxy.faults.singles)) == (1, 1)


async def test_an_object_that_cannot_leave_its_place_is_an_outage_for_a_move(
    store: ObjectStore, proxy: RemovalProxy
) -> None:
    proxy.faults.stuck = [_KEYS[0]]

    with pytest.raises(StorageUnavailableError):
        await store.move(_KEYS[0], "q/00")


async def test_what_was_removed_before_the_store_went_away_is_known(
    store: ObjectStore, proxy: RemovalProxy, watcher: BucketWatcher
) -> None:
    proxy.faults.bulk = lambda _: failure(501, "NotImplemented")
    proxy.faults.lives_for = 10

    failures = await store.delete(_KEYS)

    assert set(map(type, failures.values())) == {StorageUnavailableError}
    assert await watcher.keys() == failures.keys()
    assert 0 < len(failures) < len(_KEYS)
    with pytest.raises(StorageUnavailableError):
        await store.delete(_KEYS)
