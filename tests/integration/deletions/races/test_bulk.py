"""Bulk deletes that meet other requests at a package: each package goes once, and the answer says what became of it."""

from pathlib import Path
from typing import Final

from service.context import Context
from service.deletions.bulk import PackageRefusal, RefusalReason
from service.deletions.deletion import Deletion
from service.deletions.outcome import AttemptOutcome
from tests.support.catalogue import delete, event_topics, file_statuses, publish, query, status_of
from tests.support.races import (
    EITHER_END,
    OK,
    about_to_end,
    accepted_ids,
    answer_of,
    begun_waiting,
    deleting,
    deleting_file,
    deleting_many,
    failed,
    file_ids,
    held_open,
    publishing,
    retrying,
    state_of,
)

_NOT_FOUND: Final = PackageRefusal(RefusalReason.NOT_FOUND)


async def _unlocked(context: Context) -> list[int]:
    rows = await query(context, "SELECT id FROM package ORDER BY id FOR UPDATE SKIP LOCKED")
    return [row["id"] for row in rows]


# The DELETE of one of the packages


@EITHER_END
async def test_a_bulk_delete_waits_for_a_delete_and_does_not_find_that_package(
    filled: Context, package_id: int, other_id: int, *, commits: bool
) -> None:
    async with held_open(filled, deleting(package_id)) as single:
        bulk = await begun_waiting(filled, deleting_many((package_id, other_id)))
        await single.end(commits=commits)
        plan = await bulk

    assert accepted_ids(plan) == ([other_id] if commits else [package_id, other_id])
    assert plan.refused == ({package_id: _NOT_FOUND} if commits else {})
    assert await event_topics(filled) == ["package.deletion_requested"] * 2


@EITHER_END
async def test_a_delete_waits_for_a_bulk_delete_and_finds_nothing(
    filled: Context, package_id: int, other_id: int, *, commits: bool
) -> None:
    async with held_open(filled, deleting_many((other_id, package_id))) as bulk:
        single = await begun_waiting(filled, deleting(package_id))
        await bulk.end(commits=commits)

        assert await answer_of(single) == (404 if commits else OK)
    assert await event_topics(filled) == ["package.deletion_requested"] * (2 if commits else 1)


# The DELETE of a file


@EITHER_END
async def test_a_bulk_delete_waits_for_the_delete_of_a_file_and_takes_the_file_along(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    (file_id, _) = await file_ids(filled, package_id)

    async with held_open(filled, deleting_file(package_id, file_id)) as first:
        bulk = await begun_waiting(filled, deleting_many((package_id,)))
        await first.end(commits=commits)
        plan = await bulk

    assert (accepted_ids(plan), plan.files) == ([package_id], 2)
    assert await file_statuses(filled, package_id) == ["processing" if commits else "default", "default"]


@EITHER_END
async def test_a_delete_of_a_file_waits_for_a_bulk_delete_of_its_package_and_finds_nothing(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    (file_id, _) = await file_ids(filled, package_id)

    async with held_open(filled, deleting_many((package_id,))) as bulk:
        second = await begun_waiting(filled, deleting_file(package_id, file_id))
        await bulk.end(commits=commits)

        assert await answer_of(second) == (404 if commits else OK)
    assert await file_statuses(filled, package_id) == ["default" if commits else "processing", "default"]


# Another bulk delete


@EITHER_END
async def test_of_two_bulk_deletes_the_second_takes_what_the_first_left(
    filled: Context, package_id: int, other_id: int, *, commits: bool
) -> None:
    third_id = await publish(filled, version="3.0")

    async with held_open(filled, deleting_many((other_id, package_id))) as first:
        second = await begun_waiting(filled, deleting_many((third_id, package_id, other_id)))
        await first.end(commits=commits)
        plan = await second

    assert accepted_ids(plan) == ([third_id] if commits else [package_id, other_id, third_id])
    assert plan.refused == (dict.fromkeys([package_id, other_id], _NOT_FOUND) if commits else {})
    assert (await event_topics(filled)).count("package.deletion_requested") == 3


@EITHER_END
async def test_two_bulk_deletes_in_opposite_orders_do_not_wait_in_a_circle(
    filled: Context, package_id: int, other_id: int, *, commits: bool
) -> None:
    third_id = await publish(filled, version="3.0")

    async with held_open(filled, deleting(other_id)) as single:
        first = await begun_waiting(filled, deleting_many((package_id, other_id, third_id)))
        second = await begun_waiting(filled, deleting_many((third_id, other_id, package_id)))
        assert await _unlocked(filled) == [third_id]
        await single.end(commits=commits)
        plans = [await first, await second]

    assert accepted_ids(plans[0]) == ([package_id, third_id] if commits else [package_id, other_id, third_id])
    assert accepted_ids(plans[1]) == []
    assert plans[1].refused == dict.fromkeys([package_id, other_id, third_id], _NOT_FOUND)


# An upload


@EITHER_END
async def test_a_bulk_delete_waits_for_an_upload_into_a_package_and_counts_its_file(
    filled: Context, package_id: int, other_id: int, *, commits: bool
) -> None:
    async with held_open(filled, publishing()) as upload:
        bulk = await begun_waiting(filled, deleting_many((package_id, other_id)))
        await upload.end(commits=commits)
        plan = await bulk

    assert [package.files for package in plan.accepted] == [3 if commits else 2, 2]
    (totals,) = await query(
        filled, "SELECT sum(files_total)::int AS files, sum(bytes_total)::int AS bytes FROM deletion"
    )
    assert (plan.files, plan.bytes) == (totals["files"], totals["bytes"])


@EITHER_END
async def test_an_upload_waits_for_a_bulk_delete_of_its_package_and_begins_a_new_one(
    filled: Context, package_id: int, other_id: int, *, commits: bool
) -> None:
    async with held_open(filled, deleting_many((package_id, other_id))) as bulk:
        upload = await begun_waiting(filled, publishing())
        await bulk.end(commits=commits)

        assert (await upload != package_id) == commits
    assert len(await file_statuses(filled, package_id)) == (2 if commits else 3)
    assert await status_of(filled, await upload) == "default"


# A retry, and the end of the package's last file


@EITHER_END
async def test_a_bulk_delete_waits_for_a_retry_and_does_not_find_that_package(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    before = await failed(filled, await delete(filled, package_id))

    async with held_open(filled, retrying(before)) as retry:
        bulk = await begun_waiting(filled, deleting_many((package_id,)))
        await retry.end(commits=commits)

        assert accepted_ids(await bulk) == ([] if commits else [package_id])
    assert await state_of(filled, before) == ("retrying" if commits else "failed")


@EITHER_END
async def test_a_bulk_delete_waits_for_the_end_of_the_last_file_and_does_not_find_that_package(
    filled: Context, package_id: int, other_id: int, of_last_file: Deletion, *, commits: bool
) -> None:
    worker = await about_to_end(filled, of_last_file)

    async with held_open(filled, worker.record) as record:
        bulk = await begun_waiting(filled, deleting_many((package_id, other_id)))
        await record.end(commits=commits)

        assert accepted_ids(await bulk) == ([other_id] if commits else [package_id, other_id])


@EITHER_END
async def test_the_end_of_the_last_file_waits_for_a_bulk_delete_and_leaves_the_package_to_it(
    filled: Context, package_id: int, of_last_file: Deletion, objects: Path, *, commits: bool
) -> None:
    worker = await about_to_end(filled, of_last_file)

    async with held_open(filled, deleting_many((package_id,))) as bulk:
        record = await begun_waiting(filled, worker.record)
        await bulk.end(commits=commits)

        assert await record == {of_last_file.id: AttemptOutcome.SUCCEEDED}
    assert await status_of(filled, package_id) == ("processing" if commits else None)
    assert (await event_topics(filled)).count("package.destroyed") == (0 if commits else 1)
