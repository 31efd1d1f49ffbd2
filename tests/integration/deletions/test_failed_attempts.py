"""Attempts that fail: what is tried again, what ends in error, and what no fault can lose."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.statuses import DeletionState
from service.context import Context, open_context
from service.errors import StartError, StorageUnavailableError
from service.refusals import ConflictError
from tests.support.catalogue import (
    break_object_of,
    delete,
    event_topics,
    file_statuses,
    find_deletion,
    publish,
    query,
    restore,
    retry,
    status_of,
)
from tests.support.races import state_of
from tests.support.stepwise import claimed, with_settings
from workers.deleter.batch import carry_out
from workers.scheduler import schedule_once


async def test_a_failed_removal_is_put_off_and_the_rest_of_the_batch_goes(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    broken, sound = await publish(filled, name="broken", files=["a", "b"]), await publish(filled, name="sound")
    await break_object_of(filled, objects, broken)
    accepted = [await delete(filled, package_id) for package_id in (broken, sound)]

    await carry_out(filled, [deletion.id for deletion in accepted], stop)

    put_off = await find_deletion(filled, accepted[0].id)
    assert put_off.state is DeletionState.RETRYING
    assert put_off.not_before > put_off.requested_at + filled.settings.backoff / 2
    assert put_off.last_error
    assert (put_off.files_done, put_off.attempts) == (1, 1)
    assert await status_of(filled, broken) == "pending_destruction"
    assert await status_of(filled, sound) is None


async def test_after_the_last_attempt_what_is_left_is_shown_in_error_and_can_be_deleted_again(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await publish(filled, files=["a", "b"])
    place = await break_object_of(filled, objects, package_id)
    impatient = with_settings(filled, max_attempts=1)
    deletion = await delete(filled, package_id)

    await carry_out(impatient, [deletion.id], stop)

    failed = await find_deletion(filled, deletion.id)
    assert failed.state is DeletionState.FAILED
    assert "ObjectStuckError" in (failed.last_error or "")
    assert await status_of(filled, package_id) == "error"
    assert await file_statuses(filled, package_id) == ["error"]
    assert (await event_topics(filled))[-1] == "package.destruction_failed"

    (place / "in the way").unlink()
    place.rmdir()
    again = await delete(filled, package_id)
    await carry_out(filled, [again.id], stop)

    assert await status_of(filled, package_id) is None
    assert (await event_topics(filled))[-1] == "package.destroyed"


async def test_a_failed_deletion_can_be_retried_as_it_is(filled: Context, objects: Path, stop: asyncio.Event) -> None:
    package_id = await publish(filled)
    place = await break_object_of(filled, objects, package_id)
    deletion = await delete(filled, package_id)
    await carry_out(with_settings(filled, max_attempts=1), [deletion.id], stop)
    (place / "in the way").unlink()
    place.rmdir()

    await retry(filled, deletion.id)
    assert await status_of(filled, package_id) == "processing"
    with pytest.raises(ConflictError):
        await restore(filled, deletion.id)
    await carry_out(filled, [deletion.id], stop)

    assert await status_of(filled, package_id) is None
    with pytest.raises(ConflictError):
        await retry(filled, deletion.id)


async def test_a_deletion_whose_workers_all_died_ends_in_error(filled: Context) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    for _ in range(7):
        await claimed(filled, deletion, lease=timedelta(milliseconds=1))
        await asyncio.sleep(0.005)

    failed = await find_deletion(filled, deletion.id)

    assert failed.state is DeletionState.FAILED
    assert failed.last_error == "the worker died in each attempt"
    assert await status_of(filled, package_id) == "error"


async def test_faults_that_pass_do_not_add_up_over_a_large_package(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await publish(filled, files=["a", "b"])
    await break_object_of(filled, objects, package_id)
    deletion = await delete(filled, package_id)
    await query(filled, "UPDATE deletion SET attempts = 4")

    await carry_out(filled, [deletion.id], stop)

    put_off = await find_deletion(filled, deletion.id)
    assert (put_off.state, put_off.files_done, put_off.attempts) == (DeletionState.RETRYING, 1, 1)


@pytest.mark.parametrize("mount_point_is_left", [True, False])
async def test_a_storage_folder_that_is_away_is_not_taken_for_empty(
    filled: Context, objects: Path, stop: asyncio.Event, *, mount_point_is_left: bool
) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    objects.rename(objects.with_name("unmounted"))
    if mount_point_is_left:
        objects.mkdir()

    await carry_out(filled, [deletion.id], stop)

    assert await state_of(filled, deletion) is DeletionState.RETRYING
    assert await status_of(filled, package_id) == "pending_destruction"
    with pytest.raises(StorageUnavailableError):
        await publish(filled, name="another")
    with pytest.raises(StartError, match="is the volume mounted"):
        async with open_context(filled.settings):
            pass


@pytest.mark.usefixtures("database_of_its_own")
async def test_a_store_of_another_instance_is_refused_at_the_start(filled: Context) -> None:
    async with open_context(filled.settings):
        pass
    (instance,) = await query(filled, "SELECT id FROM instance")
    await query(filled, "UPDATE instance SET id = gen_random_uuid()")

    with pytest.raises(StartError, match=f"belong to another instance, {instance['id']}"):
        async with open_context(filled.settings):
            pass


async def test_a_command_that_got_lost_is_sent_again(filled: Context) -> None:
    deletion = await delete(filled, await publish(filled))
    await query(filled, "DELETE FROM outbox")
    await query(filled, "UPDATE deletion SET wake_at = now() - interval '1 second'")

    assert await schedule_once(filled) == 1
    assert await schedule_once(filled) == 0

    commands = await query(filled, "SELECT body FROM outbox WHERE kind = 'command'")
    assert [command["body"]["deletion_ids"] for command in commands] == [[str(deletion.id)]]


async def test_a_broker_that_is_away_does_not_make_the_scheduler_pile_up_commands(filled: Context) -> None:
    await delete(filled, await publish(filled))
    await query(filled, "UPDATE deletion SET wake_at = now() - interval '1 second'")
    await query(filled, "UPDATE outbox SET recorded_at = now() - interval '1 hour'")

    assert await schedule_once(filled) == 0
