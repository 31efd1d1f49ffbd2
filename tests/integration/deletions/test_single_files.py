"""Deletions of single files, beside those of their package."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.statuses import DeletionState
from service.context import Context
from service.refusals import ConflictError, FileNotFoundInPackageError
from tests.support.catalogue import (
    break_object_of,
    delete,
    delete_file,
    event_topics,
    file_statuses,
    objects_in,
    publish,
    query,
    restore,
    status_of,
)
from tests.support.races import state_of
from tests.support.stepwise import claimed, with_settings
from workers.deleter.batch import carry_out


async def test_one_file_goes_by_its_own_status_and_its_package_stays(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await publish(filled, files=["a", "b"])
    (first, _) = await query(filled, "SELECT id FROM package_file WHERE package_id = $1 ORDER BY id", package_id)

    deletion = await delete_file(filled, package_id, first["id"])
    assert await file_statuses(filled, package_id) == ["processing", "default"]
    await claimed(filled, deletion, lease=timedelta(milliseconds=1))
    assert await file_statuses(filled, package_id) == ["pending_destruction", "default"]
    await asyncio.sleep(0.01)
    await carry_out(filled, [deletion.id], stop)

    assert await file_statuses(filled, package_id) == ["default"]
    assert await status_of(filled, package_id) == "default"
    assert len(objects_in(objects)) == 1
    assert await event_topics(filled) == [
        "package_file.deletion_requested",
        "package_file.destroyed",
    ]


async def test_with_its_last_file_the_package_goes(filled: Context, stop: asyncio.Event) -> None:
    package_id = await publish(filled, files=["a", "b"])
    for row in await query(filled, "SELECT id FROM package_file WHERE package_id = $1", package_id):
        deletion = await delete_file(filled, package_id, row["id"])
        await carry_out(filled, [deletion.id], stop)

    assert await status_of(filled, package_id) is None
    assert (await event_topics(filled))[-1] == "package.destroyed"


async def test_a_file_that_is_being_deleted_is_not_found_a_second_time(filled: Context) -> None:
    package_id = await publish(filled)
    ((row),) = await query(filled, "SELECT id FROM package_file WHERE package_id = $1", package_id)
    await delete_file(filled, package_id, row["id"])

    with pytest.raises(FileNotFoundInPackageError):
        await delete_file(filled, package_id, row["id"])


async def test_deleting_a_file_and_then_its_package_ends_both(filled: Context, stop: asyncio.Event) -> None:
    package_id = await publish(filled, files=["a", "b"])
    (first, _) = await query(filled, "SELECT id FROM package_file WHERE package_id = $1 ORDER BY id", package_id)
    both = [await delete_file(filled, package_id, first["id"]), await delete(filled, package_id)]

    await carry_out(filled, [deletion.id for deletion in both], stop)

    assert {await state_of(filled, deletion) for deletion in both} == {DeletionState.SUCCEEDED}
    assert await status_of(filled, package_id) is None
    assert (await event_topics(filled)).count("package.destroyed") == 1


async def test_a_file_in_both_deletions_is_counted_and_announced_once(filled: Context, stop: asyncio.Event) -> None:
    package_id = await publish(filled, files=["a", "b"])
    (first, _) = await query(filled, "SELECT id FROM package_file WHERE package_id = $1 ORDER BY id", package_id)
    both = [await delete_file(filled, package_id, first["id"]), await delete(filled, package_id)]

    await carry_out(filled, [deletion.id for deletion in both], stop)

    done = await query(filled, "SELECT sum(files_done) AS files, sum(bytes_done) AS bytes FROM deletion")
    assert (done[0]["files"], done[0]["bytes"]) == (2, 10)


async def test_a_file_is_not_restored_into_a_package_that_is_being_deleted(filled: Context) -> None:
    package_id = await publish(filled, files=["a", "b"])
    (first, _) = await query(filled, "SELECT id FROM package_file WHERE package_id = $1 ORDER BY id", package_id)
    deletion = await delete_file(filled, package_id, first["id"])
    await delete(filled, package_id)

    with pytest.raises(ConflictError, match="package of the file"):
        await restore(filled, deletion.id)


async def test_a_file_whose_removal_failed_comes_back_in_error_only(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await publish(filled, files=["a", "b"])
    await break_object_of(filled, objects, package_id)
    (first, _) = await query(filled, "SELECT id FROM package_file WHERE package_id = $1 ORDER BY id", package_id)
    failed = await delete_file(filled, package_id, first["id"])
    await carry_out(with_settings(filled, max_attempts=1), [failed.id], stop)
    assert await file_statuses(filled, package_id) == ["error", "default"]

    again = await delete_file(filled, package_id, first["id"])
    await restore(filled, again.id)
    assert await file_statuses(filled, package_id) == ["error", "default"]
    whole = await delete(filled, package_id)
    await carry_out(with_settings(filled, grace_period=timedelta(hours=1)), [whole.id], stop)
    await restore(filled, whole.id)

    assert await file_statuses(filled, package_id) == ["error", "default"]
