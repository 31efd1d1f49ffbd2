"""Restores after other deletions of the same package or file: what they may have removed never comes back as whole."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest

from service.context import Context
from service.infra.deletion_rows import Deletion
from tests.support.catalogue import delete, delete_file, file_statuses, publish, query, restore, status_of
from tests.support.races import OK, answer_of, file_ids, state_of
from tests.support.stepwise import StepwiseWorker, with_settings
from workers.batch import carry_out


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
    worker = StepwiseWorker()
    await worker.claim(context, deletion.id)
    await worker.prepare_chunk(context, limit=1)
    if is_recorded:
        await worker.record(context)
    await worker.fail(context, is_last_attempt=True)


async def _stopped_by_protection(context: Context, deletion: Deletion) -> Deletion:
    await _protect(context)
    await StepwiseWorker().claim(context, deletion.id)
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
    await StepwiseWorker().claim(with_settings(filled, grace_period=timedelta(hours=1)), of_file.id)

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
    of_file, worker = await delete_file(filled, package_id, file_id), StepwiseWorker()
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
    worker = StepwiseWorker()
    await worker.claim(filled, own.id)
    await worker.release(filled)

    await _fail_midway(filled, await delete(filled, package_id))

    assert await file_statuses(filled, package_id) == ["pending_destruction", "error"]
    assert await answer_of(delete_file(filled, package_id, file_id)) == 404
    await carry_out(filled, [own.id], stop)
    assert await state_of(filled, own) == "succeeded"
    assert await file_statuses(filled, package_id) == ["error"]
