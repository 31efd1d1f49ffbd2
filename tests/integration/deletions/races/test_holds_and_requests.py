"""Holds that meet requests: neither waits for the other, and what slips in before the hold stays whole under it."""

from pathlib import Path

import pytest

from service.context import Context
from service.deletions.bulk import PackageRefusal, RefusalReason
from service.deletions.deletion import Deletion
from tests.support.catalogue import delete, file_statuses, objects_in, status_of
from tests.support.races import (
    EITHER_END,
    OK,
    accepted_ids,
    answer_of,
    begun_waiting,
    deleting,
    deleting_file,
    deleting_many,
    destroying_now,
    failed_untouched,
    file_ids,
    held_open,
    hold,
    lift,
    publishing,
    restoring,
    retrying,
    state_of,
)
from tests.support.stepwise import Worker, try_claim

# A DELETE


@EITHER_END
async def test_a_delete_passes_by_a_hold_that_is_not_there_yet_and_is_stopped_by_it(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    async with held_open(filled, hold) as holding:
        deletion = await delete(filled, package_id)
        await holding.end(commits=commits)

    assert await try_claim(filled, deletion) is not commits
    assert await status_of(filled, package_id) == ("processing" if commits else "pending_destruction")


@EITHER_END
async def test_a_hold_passes_by_a_delete_that_is_being_accepted_and_stops_it(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    async with held_open(filled, deleting(package_id)) as single:
        await hold(filled)
        deletion = await single.end(commits=commits)

    assert deletion is None or not await try_claim(filled, deletion)
    assert await answer_of(deleting(package_id)(filled)) == (404 if commits else 403)
    assert await status_of(filled, package_id) == ("processing" if commits else "default")


@EITHER_END
async def test_a_hold_passes_by_the_delete_of_a_file_and_stops_it(
    filled: Context, package_id: int, objects: Path, *, commits: bool
) -> None:
    (file_id, _) = await file_ids(filled, package_id)

    async with held_open(filled, deleting_file(package_id, file_id)) as single:
        await hold(filled)
        deletion = await single.end(commits=commits)

    assert deletion is None or not await try_claim(filled, deletion)
    assert await file_statuses(filled, package_id) == ["processing" if commits else "default", "default"]
    assert len(objects_in(objects)) == 2


async def test_a_delete_that_waited_while_a_hold_began_is_refused(
    filled: Context, package_id: int, objects: Path
) -> None:
    async with held_open(filled, publishing()) as upload:
        waiting = await begun_waiting(filled, deleting(package_id))
        await hold(filled)
        await upload.end(commits=True)

        assert await answer_of(waiting) == 403
    assert await file_statuses(filled, package_id) == ["default"] * 3
    assert len(objects_in(objects)) == 3


@EITHER_END
async def test_after_a_lift_deletes_are_accepted_and_not_before(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    await hold(filled)

    async with held_open(filled, lift) as lifting:
        assert await answer_of(deleting(package_id)(filled)) == 403
        await lifting.end(commits=commits)

    assert await answer_of(deleting(package_id)(filled)) == (OK if commits else 403)


# A bulk delete


@EITHER_END
async def test_a_bulk_delete_passes_by_a_hold_that_is_not_there_yet_and_is_stopped_by_it(
    filled: Context, package_id: int, other_id: int, *, commits: bool
) -> None:
    async with held_open(filled, hold) as holding:
        plan = await deleting_many((package_id, other_id))(filled)
        await holding.end(commits=commits)

    ids = set(plan.deletion_ids.values())
    assert await Worker().claim(filled, *ids) == (set() if commits else ids)
    assert accepted_ids(plan) == [package_id, other_id]


@EITHER_END
async def test_a_hold_passes_by_a_bulk_delete_that_is_being_accepted_and_stops_all_of_it(
    filled: Context, package_id: int, other_id: int, *, commits: bool
) -> None:
    async with held_open(filled, deleting_many((package_id, other_id))) as bulk:
        await hold(filled)
        plan = await bulk.end(commits=commits)

    if plan is not None:
        assert await Worker().claim(filled, *plan.deletion_ids.values()) == set()
    again = await deleting_many((package_id, other_id))(filled)
    refusal = PackageRefusal(RefusalReason.NOT_FOUND) if commits else PackageRefusal(RefusalReason.ON_HOLD, "an audit")
    assert again.refused == dict.fromkeys([package_id, other_id], refusal)


# Second thoughts


@EITHER_END
async def test_a_restore_passes_by_a_hold_and_undoes_all_the_same(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    async with held_open(filled, hold) as holding:
        assert await answer_of(restoring(deletion)(filled)) == OK
        await holding.end(commits=commits)

    assert await status_of(filled, deletion.package_id) == "default"


@EITHER_END
async def test_a_hold_passes_by_a_restore_and_keeps_what_is_not_restored(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    async with held_open(filled, restoring(deletion)) as restore:
        report = await hold(filled)
        await restore.end(commits=commits)

    assert report.below.waiting == 1
    assert not await try_claim(filled, deletion)
    assert await state_of(filled, deletion) == ("restored" if commits else "queued")
    assert await answer_of(restoring(deletion)(filled)) == (409 if commits else OK)


@pytest.mark.parametrize("begins_grace_early", [True, False], ids=["end of a grace", "retry"])
@EITHER_END
async def test_a_hold_stops_what_was_asked_to_go_on_in_the_moment_before(
    filled: Context, deletion: Deletion, objects: Path, *, commits: bool, begins_grace_early: bool
) -> None:
    if not begins_grace_early:
        await failed_untouched(filled, deletion)
    asking = destroying_now(deletion) if begins_grace_early else retrying(deletion)

    async with held_open(filled, asking) as asked:
        await hold(filled)
        await asked.end(commits=commits)

    assert not await try_claim(filled, deletion)
    assert await answer_of(asking(filled)) == (403 if begins_grace_early or not commits else 409)
    assert len(objects_in(objects)) == 2
