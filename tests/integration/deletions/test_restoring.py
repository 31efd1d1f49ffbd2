"""Restores after other deletions of the same package or file: what they may have removed never comes back as whole."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from service.context import Context
from service.deletions import holds
from service.deletions.deletion import Deletion
from service.deletions.holds import Place
from service.infra.storage.pacing import Pace
from tests.support.catalogue import delete, delete_file, file_statuses, objects_in, publish, query, restore, status_of
from tests.support.races import OK, answer_of, file_ids, state_of
from tests.support.stepwise import Worker, with_settings
from workers.deleter.batch import carry_out


@pytest.fixture
async def package_id(filled: Context, objects: Path) -> AsyncGenerator[int]:
    """A package with two files; after the test, whatever is shown as whole is."""
    yield await publish(filled, files=["a", "b"])
    for row in await query(filled, "SELECT storage_key FROM package_file WHERE status = 'default'"):
        assert (objects / row["storage_key"]).exists()


async def _protect(context: Context) -> None:
    await query(
        context,
        "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_delete)"
        " VALUES (100, 'generic', 'app', 50)",
    )


async def _fail_midway(context: Context, deletion: Deletion, *, is_recorded: bool = False) -> None:
    """Let the last attempt of the deletion end after the first object was removed."""
    worker = Worker()
    await worker.claim(context, deletion.id)
    await worker.prepare_chunk(context, limit=1)
    if is_recorded:
        await worker.record(context)
    await worker.fail(context, is_last_attempt=True)


async def _stopped_by_protection(context: Context, deletion: Deletion) -> Deletion:
    await _protect(context)
    await Worker().claim(context, deletion.id)
    await query(context, "TRUNCATE protection_rule")
    assert await state_of(context, deletion) == "failed"
    return deletion


@pytest.mark.parametrize("is_recorded", [True, False])
async def test_a_deletion_that_protection_stopped_cannot_be_undone_after_a_later_one_has_begun(
    filled: Context, package_id: int, *, is_recorded: bool
) -> None:
    early = await _stopped_by_protection(filled, await delete(filled, package_id))
    await _fail_midway(filled, await delete(filled, package_id), is_recorded=is_recorded)

    assert await answer_of(restore(filled, early.id)) == 409

    assert await status_of(filled, package_id) == "error"
    assert set(await file_statuses(filled, package_id)) == {"error"}


async def test_a_file_marked_again_after_a_deletion_of_its_package_failed_comes_back_in_error(
    filled: Context, package_id: int
) -> None:
    (file_id, _) = await file_ids(filled, package_id)
    of_file = await delete_file(filled, package_id, file_id)
    await _fail_midway(filled, await delete(filled, package_id))
    await Worker().claim(with_settings(filled, grace_period=timedelta(hours=1)), of_file.id)

    assert await answer_of(restore(filled, of_file.id)) == OK

    assert await file_statuses(filled, package_id) == ["error", "error"]


async def test_a_file_whose_deletion_protection_stopped_after_one_of_its_package_failed_comes_back_in_error(
    filled: Context, package_id: int
) -> None:
    (file_id, _) = await file_ids(filled, package_id)
    of_file = await delete_file(filled, package_id, file_id)
    await _fail_midway(filled, await delete(filled, package_id))
    await _stopped_by_protection(filled, of_file)

    assert await answer_of(restore(filled, of_file.id)) == OK

    assert await file_statuses(filled, package_id) == ["error", "error"]


async def test_a_file_that_went_with_its_package_is_not_restored(filled: Context, package_id: int) -> None:
    (file_id, _) = await file_ids(filled, package_id)
    of_file, worker = await delete_file(filled, package_id, file_id), Worker()
    whole = await delete(filled, package_id)
    await worker.claim(filled, whole.id)
    await worker.prepare_chunk(filled)
    await worker.record(filled)
    assert await status_of(filled, package_id) is None

    assert await answer_of(restore(filled, of_file.id)) == 409

    assert await state_of(filled, of_file) == "queued"


async def test_a_file_that_went_before_the_deletion_of_its_package_failed_is_not_restored(
    filled: Context, package_id: int
) -> None:
    (file_id, _) = await file_ids(filled, package_id)
    of_file = await delete_file(filled, package_id, file_id)
    await _fail_midway(filled, await delete(filled, package_id), is_recorded=True)

    assert await answer_of(restore(filled, of_file.id)) == 409

    assert await state_of(filled, of_file) == "queued"


async def test_a_file_under_its_own_deletion_stays_so_when_that_of_its_package_fails(
    filled: Context, package_id: int, stop: asyncio.Event
) -> None:
    (file_id, _) = await file_ids(filled, package_id)
    own = await delete_file(filled, package_id, file_id)
    worker = Worker()
    await worker.claim(filled, own.id)
    await worker.release(filled)

    await _fail_midway(filled, await delete(filled, package_id))

    assert await file_statuses(filled, package_id) == ["pending_destruction", "error"]
    assert await answer_of(delete_file(filled, package_id, file_id)) == 404
    await carry_out(filled, [own.id], stop)
    assert await state_of(filled, own) == "succeeded"
    assert await file_statuses(filled, package_id) == ["error"]


# A deletion that a worker claimed, and gave back before it began


@pytest.mark.parametrize("is_put_off", [True, False])
async def test_what_no_worker_has_begun_with_can_be_undone_though_it_was_claimed(
    filled: Context, package_id: int, *, is_put_off: bool
) -> None:
    begun = await delete(filled, package_id)
    whole = await delete(filled, await publish(filled, name="lib"))
    worker = Worker()
    await worker.claim(filled, begun.id, whole.id)
    await worker.look(filled, limit=1)
    (touched,) = {file.deletion_id for file in worker.files}
    (untouched,) = {begun.id, whole.id} - {touched}

    await (worker.fail(filled) if is_put_off else worker.release(filled))

    assert await answer_of(restore(filled, touched)) == 409
    assert await answer_of(restore(filled, untouched)) == OK


async def test_what_was_begun_in_an_earlier_attempt_cannot_be_undone_when_a_later_one_does_not_begin(
    filled: Context, package_id: int
) -> None:
    deletion = await delete(filled, package_id)
    first, second = Worker(), Worker()
    await first.claim(filled, deletion.id)
    await first.look(filled, limit=1)
    await first.release(filled)
    await second.claim(filled, deletion.id)
    await second.release(filled)

    assert await answer_of(restore(filled, deletion.id)) == 409


async def test_what_a_dead_worker_held_counts_as_begun(filled: Context, package_id: int) -> None:
    deletion = await delete(filled, package_id)
    dead, next_one = Worker(), Worker()
    await dead.claim(filled, deletion.id)
    await query(filled, "UPDATE deletion SET lease_until = now() - interval '1 s'")
    await next_one.claim(filled, deletion.id)
    await next_one.release(filled)

    assert await answer_of(restore(filled, deletion.id)) == 409


async def test_what_failed_in_the_end_without_a_beginning_can_be_undone(filled: Context, package_id: int) -> None:
    deletion = await delete(filled, package_id)
    worker = Worker()
    await worker.claim(filled, deletion.id)
    await worker.fail(filled, is_last_attempt=True)

    assert await state_of(filled, deletion) == "failed"
    assert await answer_of(restore(filled, deletion.id)) == OK
    assert await file_statuses(filled, package_id) == ["default", "default"]


async def test_a_mistake_of_many_is_undone_but_for_the_chunk_that_was_under_way(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    ids = [await publish(filled, version=f"{number}.0") for number in range(5)]
    mistakes = [await delete(filled, number) for number in ids]
    slow = replace(filled, pace=Pace(concurrency=1, rate=1))

    async def hold_after_the_first() -> None:
        while len(objects_in(objects)) == 5:
            await asyncio.sleep(0.01)
        await holds.put_on_hold(filled.database, Place.PROJECT, "acme/open", reason="that was a mistake")

    async with asyncio.TaskGroup() as group:
        group.create_task(hold_after_the_first())
        group.create_task(carry_out(slow, [deletion.id for deletion in mistakes], stop))

    answers = [await answer_of(restore(filled, deletion.id)) for deletion in mistakes]
    kept = [number for number, answer in zip(ids, answers, strict=True) if answer == OK]
    assert kept
    assert [await status_of(filled, number) for number in kept] == ["default"] * len(kept)
    assert len(objects_in(objects)) >= len(kept)
