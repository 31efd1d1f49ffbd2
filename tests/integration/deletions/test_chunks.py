"""Many objects in many chunks, at the pace that is set, whatever comes between."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from typing_extensions import override

from schemas.statuses import DeletionState
from service.context import Context
from service.deletions import holds
from service.deletions.holds import Place
from service.errors import StorageRefusedError, StorageUnavailableError
from service.infra.storage.folder.store import FolderStore
from service.infra.storage.interface import new_key
from service.infra.storage.pacing import Pace
from tests.support.catalogue import delete, event_topics, objects_in, publish, query, status_of
from tests.support.stepwise import with_settings
from workers.deleter.batch import carry_out

_FILES: Final = 4_500
_ADD: Final = """
INSERT INTO package_file (package_id, file_name, size, sha256, storage_key)
SELECT $1, 'file-' || place, 1, decode(repeat('00', 32), 'hex'), key
  FROM unnest($2::text[]) WITH ORDINALITY AS t(key, place)
"""


class _WatchedStore(FolderStore):
    """The yard's store; something happens at one of its chunks."""

    def __init__(self, folder: Path, happens: Callable[[int], Awaitable[None]]) -> None:
        super().__init__(folder)
        self._happens = happens
        self.chunks: list[int] = []

    @override
    async def delete(self, keys: Sequence[str]) -> Mapping[str, Exception]:
        self.chunks.append(len(keys))
        await self._happens(len(self.chunks))
        return await super().delete(keys)


async def _nothing(_: int) -> None:
    """Let all go on."""


async def _large_package(context: Context, objects: Path, name: str = "large", files: int = _FILES) -> int:
    """Publish a package with many files, each with its object."""
    package_id = await publish(context, name=name)
    keys = [new_key(100) for _ in range(files - 1)]
    for key in keys:
        path = objects / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    await query(context, _ADD, package_id, keys)
    return package_id


async def _keys_of(context: Context, package_id: int) -> set[str]:
    rows = await query(context, "SELECT storage_key FROM package_file WHERE package_id = $1", package_id)
    return {row["storage_key"] for row in rows}


async def _state(context: Context) -> tuple[DeletionState, int]:
    (row,) = await query(context, "SELECT state, files_done FROM deletion")
    return DeletionState(row["state"]), row["files_done"]


async def test_every_chunk_is_told_of_and_nothing_is_left(filled: Context, objects: Path, stop: asyncio.Event) -> None:
    package_id = await _large_package(filled, objects)
    deletion = await delete(filled, package_id)
    store = _WatchedStore(objects, _nothing)

    await carry_out(replace(filled, store=store), [deletion.id], stop)

    assert store.chunks == [1_000, 1_000, 1_000, 1_000, 500]
    assert (objects_in(objects), await status_of(filled, package_id)) == (set(), None)
    assert await _state(filled) == (DeletionState.SUCCEEDED, _FILES)
    assert (await event_topics(filled)).count("package_file.destroyed") == 5


async def test_a_hold_in_the_middle_leaves_as_many_rows_as_objects(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await _large_package(filled, objects)
    deletion = await delete(filled, package_id)

    async def hold(chunk: int) -> None:
        if chunk == 2:
            await holds.put_on_hold(filled.database, Place.PROJECT, "acme/open", reason="audit")

    store = _WatchedStore(objects, hold)
    await carry_out(replace(filled, store=store), [deletion.id], stop)

    # The one that is under way is finished, and no other begins.
    assert store.chunks == [1_000, 1_000]
    assert await _keys_of(filled, package_id) == objects_in(objects)
    assert len(objects_in(objects)) == _FILES - 2_000

    await holds.put_on_hold(filled.database, Place.PROJECT, "acme/open", reason=None)
    await carry_out(filled, [deletion.id], stop)
    assert (objects_in(objects), await status_of(filled, package_id)) == (set(), None)


async def test_a_worker_that_is_stopped_in_the_middle_leaves_as_many_rows_as_objects(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await _large_package(filled, objects)
    deletion = await delete(filled, package_id)

    async def stop_it(chunk: int) -> None:
        if chunk == 2:
            stop.set()

    store = _WatchedStore(objects, stop_it)
    await carry_out(replace(filled, store=store), [deletion.id], stop)

    assert store.chunks == [1_000, 1_000]
    assert await _keys_of(filled, package_id) == objects_in(objects)
    assert len(objects_in(objects)) == _FILES - 2_000


@pytest.mark.parametrize(
    ("error", "state"),
    [(StorageUnavailableError, DeletionState.RETRYING), (StorageRefusedError, DeletionState.FAILED)],
)
async def test_a_store_that_fails_in_the_middle_leaves_as_many_rows_as_objects(
    filled: Context, objects: Path, stop: asyncio.Event, error: type[Exception], state: DeletionState
) -> None:
    package_id = await _large_package(filled, objects)
    deletion = await delete(filled, package_id)

    class Failing(_WatchedStore):
        @override
        async def delete(self, keys: Sequence[str]) -> Mapping[str, Exception]:
            if len(self.chunks) == 2:
                if error is StorageUnavailableError:
                    raise StorageUnavailableError("away")
                return dict.fromkeys(keys, error("not allowed to delete objects"))
            return await super().delete(keys)

    await carry_out(replace(filled, store=Failing(objects, _nothing)), [deletion.id], stop)

    assert await _state(filled) == (state, 2_000)
    assert await _keys_of(filled, package_id) == objects_in(objects)
    assert len(objects_in(objects)) == _FILES - 2_000


async def test_an_outage_uses_up_no_attempt(filled: Context, objects: Path, stop: asyncio.Event) -> None:
    package_id = await _large_package(filled, objects, files=3)
    deletion = await delete(filled, package_id)
    impatient = with_settings(filled, max_attempts=1, backoff=timedelta(hours=1))

    class Away(FolderStore):
        @override
        async def delete(self, keys: Sequence[str]) -> Mapping[str, Exception]:
            raise StorageUnavailableError("away")

    class Going(FolderStore):
        @override
        async def delete(self, keys: Sequence[str]) -> Mapping[str, Exception]:
            await super().delete(keys[:1])
            return dict.fromkeys(keys[1:], StorageUnavailableError("away"))

    for store, done in [(Away(objects), 0), (Away(objects), 0), (Going(objects), 1)]:
        await carry_out(replace(impatient, store=store), [deletion.id], stop)
        (row,) = await query(filled, "SELECT attempts, files_done, not_before - now() AS pause FROM deletion")
        assert await _state(filled) == (DeletionState.RETRYING, done)
        assert (row["attempts"], row["files_done"]) == (0, done)
        assert row["pause"] <= timedelta(seconds=15)
        await query(filled, "UPDATE deletion SET not_before = now()")

    await carry_out(impatient, [deletion.id], stop)
    assert (objects_in(objects), await status_of(filled, package_id)) == (set(), None)


async def test_a_refused_object_stays_and_all_others_of_its_package_go(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await _large_package(filled, objects, files=1_500)
    deletion = await delete(filled, package_id)
    (refused,) = await query(filled, "SELECT storage_key FROM package_file ORDER BY id LIMIT 1")

    class Refusing(FolderStore):
        @override
        async def delete(self, keys: Sequence[str]) -> Mapping[str, Exception]:
            key = refused["storage_key"]
            failures = await super().delete([other for other in keys if other != key])
            return {**failures, key: StorageRefusedError("not allowed")} if key in keys else failures

    for _ in range(3):
        await carry_out(replace(filled, store=Refusing(objects)), [deletion.id], stop)
        await query(filled, "UPDATE deletion SET not_before = now()")

    assert await _state(filled) == (DeletionState.FAILED, 1_499)
    assert await _keys_of(filled, package_id) == objects_in(objects) == {refused["storage_key"]}


async def test_what_is_refused_for_good_is_not_tried_again_and_the_rest_of_the_batch_goes(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    ids = [await publish(filled, name=name) for name in ("stubborn", "willing")]
    deletions = [await delete(filled, package_id) for package_id in ids]
    (stubborn,) = await _keys_of(filled, ids[0])

    class Refusing(FolderStore):
        @override
        async def delete(self, keys: Sequence[str]) -> Mapping[str, Exception]:
            failures = await super().delete([key for key in keys if key != stubborn])
            return {**failures, stubborn: StorageRefusedError("not allowed to delete objects")}

    await carry_out(replace(filled, store=Refusing(objects)), [deletion.id for deletion in deletions], stop)

    rows = await query(filled, "SELECT state, attempts, last_error FROM deletion ORDER BY package_id")
    assert [row["state"] for row in rows] == ["failed", "succeeded"]
    assert (rows[0]["attempts"], rows[0]["last_error"]) == (1, "StorageRefusedError: not allowed to delete objects")
    assert await status_of(filled, ids[0]) == "error"


async def test_a_worker_keeps_to_its_rate(filled: Context, objects: Path, stop: asyncio.Event) -> None:
    package_id = await _large_package(filled, objects, files=1_500)
    deletion = await delete(filled, package_id)
    store = _WatchedStore(objects, _nothing)
    # A chunk may take no longer than that; waiting for its turn is not its time.
    slow = replace(
        with_settings(filled, storage_timeout=timedelta(seconds=0.9)), store=store, pace=Pace(concurrency=4, rate=500)
    )

    began = time.monotonic()
    await carry_out(slow, [deletion.id], stop)

    assert store.chunks == [500, 500, 500]
    assert time.monotonic() - began >= 2
    assert await status_of(filled, package_id) is None


async def test_no_more_chunks_than_allowed_go_at_the_same_time() -> None:
    pace = Pace(concurrency=2, rate=0)
    under_way, most = 0, 0

    async def remove() -> None:
        nonlocal under_way, most
        async with pace.of(1_000):
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.01)
            under_way -= 1

    async with asyncio.TaskGroup() as group:
        for _ in range(10):
            group.create_task(remove())

    assert most == 2
