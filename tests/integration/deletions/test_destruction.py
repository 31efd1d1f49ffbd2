"""The life of a deletion, step by step, on the real database and a real folder."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.statuses import DeletionState, FileStatus, PackageStatus
from service.context import Context
from service.refusals import ConflictError, DeletionProtectedError, NotFoundError
from tests.support.catalogue import (
    delete,
    event_topics,
    file_statuses,
    find_deletion,
    objects_in,
    publish,
    query,
    restore,
    status_of,
)
from tests.support.races import state_of
from tests.support.stepwise import with_settings
from workers.deleter.batch import carry_out
from workers.scheduler import schedule_once


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
    assert await state_of(filled, deletion) is DeletionState.SUCCEEDED


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

    assert {await state_of(filled, deletion) for deletion in accepted} == {DeletionState.SUCCEEDED}
    assert (await event_topics(filled)).count("package.destroyed") == 5


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


async def test_a_hidden_package_cannot_be_deleted(filled: Context) -> None:
    package_id = await publish(filled)
    await query(filled, "UPDATE package SET status = 'hidden' WHERE id = $1", package_id)

    with pytest.raises(NotFoundError):
        await delete(filled, package_id)


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
