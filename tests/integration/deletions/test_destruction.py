"""The life of a deletion, step by step, on the real database and a real folder."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.statuses import DeletionState, FileStatus, PackageStatus
from service.context import Context, open_context
from service.deletions.deletion import Deletion
from service.deletions.outcome import AttemptOutcome
from service.errors import StartError, StorageUnavailableError
from service.refusals import ConflictError, DeletionProtectedError, FileNotFoundInPackageError, NotFoundError
from tests.support.catalogue import (
    break_object,
    delete,
    delete_file,
    event_topics,
    file_statuses,
    find_deletion,
    objects_in,
    publish,
    query,
    restore,
    retry,
    status_of,
)
from tests.support.stepwise import Worker, with_settings
from workers.deleter.batch import carry_out
from workers.scheduler import schedule_once

_LEASE = timedelta(seconds=60)


async def _state(context: Context, deletion: Deletion) -> DeletionState:
    return (await find_deletion(context, deletion.id)).state


async def _claim(
    context: Context, deletion: Deletion, *, lease: timedelta = _LEASE, worker: Worker | None = None
) -> Worker:
    worker = worker or Worker()
    await worker.claim(with_settings(context, lease=lease), deletion.id)
    return worker


async def test_an_accepted_deletion_hides_the_package_and_touches_nothing_else(filled: Context, objects: Path) -> None:
    package_id = await publish(filled, files=["a", "b"])

    deletion = await delete(filled, package_id)

    assert await status_of(filled, package_id) == "processing"
    assert await file_statuses(filled, package_id) == ["default", "default"]
    assert len(objects_in(objects)) == 2
    assert (deletion.files_total, deletion.bytes_total) == (2, 10)
    assert await event_topics(filled) == ["package.deletion_requested"]
    assert [
        row["routing_key"] for row in await query(filled, "SELECT routing_key FROM outbox WHERE kind = 'command'")
    ] == ["delete.interactive"]


async def test_a_claim_commits_every_mark_before_any_object_may_go(filled: Context, objects: Path) -> None:
    package_id = await publish(filled, files=["a", "b"])
    deletion = await delete(filled, package_id)

    await _claim(filled, deletion)

    assert await status_of(filled, package_id) == "pending_destruction"
    assert await file_statuses(filled, package_id) == ["pending_destruction"] * 2
    assert len(objects_in(objects)) == 2
    assert await _state(filled, deletion) is DeletionState.DESTROYING


async def test_carrying_out_leaves_no_row_no_object_and_no_empty_folder(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await publish(filled, files=["a", "b", "c"])
    files = await query(filled, "SELECT id FROM package_file WHERE package_id = $1 ORDER BY id", package_id)
    kept = await publish(filled, name="kept")
    deletion = await delete(filled, package_id)

    await carry_out(filled, [deletion.id], stop)

    assert await status_of(filled, package_id) is None
    assert await file_statuses(filled, package_id) == []
    assert await status_of(filled, kept) == "default"
    assert len(objects_in(objects)) == 1
    assert all(any(folder.iterdir()) for folder in objects.rglob("projects/**") if folder.is_dir())
    done = await find_deletion(filled, deletion.id)
    assert (done.state, done.files_done, done.bytes_done) == (DeletionState.SUCCEEDED, 3, 15)
    assert await event_topics(filled) == [
        "package.deletion_requested",
        "package.destroyed",
    ]
    (event,) = await query(filled, "SELECT body FROM outbox WHERE routing_key LIKE 'package.destroyed.%'")
    assert event["body"]["data"]["package_file_ids"] == [row["id"] for row in files]


async def test_a_package_without_files_goes_as_well(filled: Context, stop: asyncio.Event) -> None:
    ((row),) = await query(
        filled,
        "INSERT INTO package (project_id, package_type, name, version) VALUES (100, 'npm', 'bare', '1') RETURNING id",
    )
    deletion = await delete(filled, row["id"])

    await carry_out(filled, [deletion.id], stop)

    assert await status_of(filled, row["id"]) is None
    assert await _state(filled, deletion) is DeletionState.SUCCEEDED


async def test_a_large_package_goes_in_chunks_of_a_thousand(filled: Context, stop: asyncio.Event) -> None:
    package_id = await publish(filled, files=["first"])
    await query(
        filled,
        "INSERT INTO package_file (package_id, file_name, size, sha256, storage_key)"
        " SELECT $1, 'f' || n, 1, decode(repeat('00', 32), 'hex'), 'gone/' || n FROM generate_series(1, 2500) n",
        package_id,
    )
    deletion = await delete(filled, package_id)

    await carry_out(filled, [deletion.id], stop)

    assert await status_of(filled, package_id) is None
    assert (await event_topics(filled)).count("package_file.destroyed") == 3
    (event,) = await query(filled, "SELECT body FROM outbox WHERE routing_key LIKE 'package.destroyed.%'")
    assert event["body"]["data"]["package_file_ids"] is None
    assert (await find_deletion(filled, deletion.id)).files_done == 2501


async def test_several_deletions_of_one_command_end_each_by_itself(filled: Context, stop: asyncio.Event) -> None:
    accepted = [await delete(filled, await publish(filled, version=f"{n}")) for n in range(5)]

    await carry_out(filled, [deletion.id for deletion in accepted], stop)

    assert {await _state(filled, deletion) for deletion in accepted} == {DeletionState.SUCCEEDED}
    assert (await event_topics(filled)).count("package.destroyed") == 5


async def test_a_command_that_comes_twice_does_nothing_the_second_time(filled: Context, stop: asyncio.Event) -> None:
    deletion = await delete(filled, await publish(filled))

    await carry_out(filled, [deletion.id, deletion.id], stop)
    topics = await event_topics(filled)
    await carry_out(filled, [deletion.id], stop)

    assert await event_topics(filled) == topics


async def test_of_twenty_workers_one_gets_the_claim(filled: Context) -> None:
    deletion = await delete(filled, await publish(filled))

    async with asyncio.TaskGroup() as group:
        tries = [group.create_task(_claim(filled, deletion)) for _ in range(20)]

    assert sum(len(attempt.result().owned) for attempt in tries) == 1


async def test_a_lapsed_claim_is_taken_over_and_the_late_worker_changes_nothing(
    filled: Context, stop: asyncio.Event
) -> None:
    package_id = await publish(filled, files=["a", "b"])
    deletion = await delete(filled, package_id)
    late = await _claim(filled, deletion, lease=timedelta(milliseconds=1))
    await late.look(filled)
    await asyncio.sleep(0.01)

    next_one = await _claim(filled, deletion)
    late.removed = late.files
    outcomes = await late.record(filled)

    assert len(late.files) == 2
    assert next_one.owned[deletion.id].attempts == 2
    assert outcomes == {deletion.id: AttemptOutcome.LOST}
    assert await file_statuses(filled, package_id) == ["pending_destruction"] * 2


async def test_a_live_claim_is_left_alone(filled: Context) -> None:
    deletion = await delete(filled, await publish(filled))
    await _claim(filled, deletion)

    assert (await _claim(filled, deletion)).owned == {}


async def test_a_worker_that_goes_on_after_an_outage_of_the_database_begins_no_new_attempt(filled: Context) -> None:
    deletion = await delete(filled, await publish(filled))
    worker = await _claim(filled, deletion)

    attempts = set()
    for _ in range(7):
        await _claim(filled, deletion, worker=worker)
        attempts.add(worker.owned[deletion.id].attempts)

    assert attempts == {1}


async def test_a_worker_told_to_stop_gives_the_claim_back_uncounted(filled: Context, stop: asyncio.Event) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    stop.set()

    await carry_out(filled, [deletion.id], stop)

    released = await find_deletion(filled, deletion.id)
    assert (released.state, released.attempts) == (DeletionState.RETRYING, 0)
    assert await status_of(filled, package_id) == "pending_destruction"
    await carry_out(filled, [deletion.id], asyncio.Event())
    assert await status_of(filled, package_id) is None


async def _break_object(context: Context, objects: Path, package_id: int) -> Path:
    """Break the package's first object."""
    (row, *_) = await query(
        context, "SELECT storage_key FROM package_file WHERE package_id = $1 ORDER BY id", package_id
    )
    return break_object(objects, row["storage_key"])


async def test_a_failed_removal_is_put_off_and_the_rest_of_the_batch_goes(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    broken, sound = await publish(filled, name="broken", files=["a", "b"]), await publish(filled, name="sound")
    await _break_object(filled, objects, broken)
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
    place = await _break_object(filled, objects, package_id)
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
    place = await _break_object(filled, objects, package_id)
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
        await _claim(filled, deletion, lease=timedelta(milliseconds=1))
        await asyncio.sleep(0.005)

    failed = await find_deletion(filled, deletion.id)

    assert failed.state is DeletionState.FAILED
    assert failed.last_error == "the worker died in each attempt"
    assert await status_of(filled, package_id) == "error"


async def test_in_grace_everything_is_marked_and_nothing_is_removed(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await publish(filled, files=["a", "b"])
    deletion = await delete(filled, package_id)

    await carry_out(with_settings(filled, grace_period=timedelta(hours=1)), [deletion.id], stop)
    await carry_out(with_settings(filled, grace_period=timedelta(hours=1)), [deletion.id], stop)

    waiting = await find_deletion(filled, deletion.id)
    assert (waiting.state, waiting.attempts) == (DeletionState.GRACE, 0)
    assert await status_of(filled, package_id) == "pending_destruction"
    assert await file_statuses(filled, package_id) == ["pending_destruction"] * 2
    assert len(objects_in(objects)) == 2


async def test_a_deletion_in_grace_is_undone_wholly(filled: Context, objects: Path, stop: asyncio.Event) -> None:
    package_id = await publish(filled, files=["a", "b"])
    deletion = await delete(filled, package_id)
    await carry_out(with_settings(filled, grace_period=timedelta(hours=1)), [deletion.id], stop)

    restored = await restore(filled, deletion.id)

    assert restored.state is DeletionState.RESTORED
    assert await status_of(filled, package_id) == "default"
    assert await file_statuses(filled, package_id) == ["default", "default"]
    assert len(objects_in(objects)) == 2
    assert (await event_topics(filled))[-1] == "package.restored"
    with pytest.raises(ConflictError):
        await restore(filled, deletion.id)


async def test_what_was_published_again_meanwhile_is_not_replaced_by_a_restore(filled: Context) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    again = await publish(filled)

    with pytest.raises(ConflictError, match="published again"):
        await restore(filled, deletion.id)

    assert await status_of(filled, again) == "default"
    assert await status_of(filled, package_id) == "processing"


async def test_the_end_of_a_grace_period_wakes_the_deletion(filled: Context, stop: asyncio.Event) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    await carry_out(with_settings(filled, grace_period=timedelta(milliseconds=1)), [deletion.id], stop)
    await asyncio.sleep(0.01)

    woken = await schedule_once(filled)
    await carry_out(filled, [deletion.id], stop)

    assert woken == 1
    assert await status_of(filled, package_id) is None


async def test_a_republish_right_after_the_delete_is_another_package_that_stays(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    old = await publish(filled)
    deletion = await delete(filled, old)
    new = await publish(filled)

    await carry_out(filled, [deletion.id], stop)

    assert new != old
    assert await status_of(filled, old) is None
    assert await status_of(filled, new) == "default"
    assert len(objects_in(objects)) == 1


async def test_a_protected_package_is_refused_and_unchanged(filled: Context) -> None:
    package_id = await publish(filled, name="core-lib", project_id=104)

    with pytest.raises(DeletionProtectedError):
        await delete(filled, package_id, project_id=104)

    assert await status_of(filled, package_id) == "default"
    assert await event_topics(filled) == []


async def test_protection_that_comes_before_the_worker_stops_the_deletion(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    await query(
        filled,
        "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_delete)"
        " VALUES (100, 'generic', 'APP*', 50)",
    )

    await carry_out(filled, [deletion.id], stop)

    failed = await find_deletion(filled, deletion.id)
    assert failed.state is DeletionState.FAILED
    assert failed.last_error == "403 Forbidden - Package is deletion protected."
    assert await status_of(filled, package_id) == "error"
    assert len(objects_in(objects)) == 1


async def test_one_file_goes_by_its_own_status_and_its_package_stays(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await publish(filled, files=["a", "b"])
    (first, _) = await query(filled, "SELECT id FROM package_file WHERE package_id = $1 ORDER BY id", package_id)

    deletion = await delete_file(filled, package_id, first["id"])
    assert await file_statuses(filled, package_id) == ["processing", "default"]
    await _claim(filled, deletion, lease=timedelta(milliseconds=1))
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

    assert {await _state(filled, deletion) for deletion in both} == {DeletionState.SUCCEEDED}
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
    await _break_object(filled, objects, package_id)
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


async def test_faults_that_pass_do_not_add_up_over_a_large_package(
    filled: Context, objects: Path, stop: asyncio.Event
) -> None:
    package_id = await publish(filled, files=["a", "b"])
    await _break_object(filled, objects, package_id)
    deletion = await delete(filled, package_id)
    await query(filled, "UPDATE deletion SET attempts = 4")

    await carry_out(filled, [deletion.id], stop)

    put_off = await find_deletion(filled, deletion.id)
    assert (put_off.state, put_off.files_done, put_off.attempts) == (DeletionState.RETRYING, 1, 1)


async def test_a_hidden_package_cannot_be_deleted(filled: Context) -> None:
    package_id = await publish(filled)
    await query(filled, "UPDATE package SET status = 'hidden' WHERE id = $1", package_id)

    with pytest.raises(NotFoundError):
        await delete(filled, package_id)


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

    assert await _state(filled, deletion) is DeletionState.RETRYING
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


@pytest.mark.parametrize(
    ("table", "column"), [("package", "status"), ("package_file", "status"), ("deletion", "state")]
)
async def test_the_database_allows_just_the_statuses_of_the_table_of_moves(
    filled: Context, table: str, column: str
) -> None:
    kinds = {"package": PackageStatus, "package_file": FileStatus, "deletion": DeletionState}
    (check,) = await query(
        filled,
        "SELECT pg_get_constraintdef(oid) AS definition FROM pg_constraint WHERE conname = $1",
        f"{table}_{column}_check",
    )

    assert set(re.findall(r"'([a-z_]+)'", check["definition"])) == set(kinds[table])
