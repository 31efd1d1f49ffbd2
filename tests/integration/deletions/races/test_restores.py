"""Restores that meet whatever else may come to a deletion: in time they undo all of it, too late they undo nothing."""

from datetime import timedelta
from pathlib import Path
from typing import Final

from service.context import Context
from service.deletions.deletion import Deletion
from tests.support.catalogue import delete, delete_file, event_topics, file_statuses, objects_in, query, status_of
from tests.support.races import (
    EITHER_END,
    OK,
    about_to_end,
    answer_of,
    begun_waiting,
    claiming,
    deleting,
    file_ids,
    held_open,
    publishing,
    restoring,
    state_of,
)
from tests.support.stepwise import Worker, with_settings

_HOUR: Final = timedelta(hours=1)


# A claim


@EITHER_END
async def test_a_claim_passes_by_what_is_being_restored(filled: Context, deletion: Deletion, *, commits: bool) -> None:
    async with held_open(filled, restoring(deletion)) as restore:
        assert await Worker().claim(filled, deletion.id) == set()
        await restore.end(commits=commits)

    assert await Worker().claim(filled, deletion.id) == (set() if commits else {deletion.id})
    assert await state_of(filled, deletion) == ("restored" if commits else "destroying")
    assert await file_statuses(filled, deletion.package_id) == ["default" if commits else "pending_destruction"] * 2


@EITHER_END
async def test_a_restore_waits_for_a_claim_and_then_comes_too_late(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    async with held_open(filled, claiming(deletion)) as claim:
        restore = await begun_waiting(filled, restoring(deletion))
        await claim.end(commits=commits)

        assert await answer_of(restore) == (409 if commits else OK)
    assert await status_of(filled, deletion.package_id) == ("pending_destruction" if commits else "default")


@EITHER_END
async def test_a_restore_waits_for_the_marking_of_a_grace_period_and_undoes_it(
    filled: Context, deletion: Deletion, objects: Path, *, commits: bool
) -> None:
    patient = with_settings(filled, grace_period=_HOUR)

    async with held_open(patient, claiming(deletion)) as claim:
        restore = await begun_waiting(filled, restoring(deletion))
        await claim.end(commits=commits)

        assert await answer_of(restore) == OK
    assert await status_of(filled, deletion.package_id) == "default"
    assert await file_statuses(filled, deletion.package_id) == ["default", "default"]
    assert len(objects_in(objects)) == 2


@EITHER_END
async def test_a_restore_at_the_end_of_grace_is_in_time_only_until_the_claim(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    await Worker().claim(with_settings(filled, grace_period=_HOUR), deletion.id)
    await query(filled, "UPDATE deletion SET not_before = now()")

    async with held_open(filled, claiming(deletion)) as claim:
        restore = await begun_waiting(filled, restoring(deletion))
        await claim.end(commits=commits)

        assert await answer_of(restore) == (409 if commits else OK)
    assert await file_statuses(filled, deletion.package_id) == ["pending_destruction" if commits else "default"] * 2


@EITHER_END
async def test_of_two_restores_one_is_told_that_it_is_done(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    async with held_open(filled, restoring(deletion)) as first:
        second = await begun_waiting(filled, restoring(deletion))
        await first.end(commits=commits)

        assert await answer_of(second) == (409 if commits else OK)
    assert (await event_topics(filled)).count("package.restored") == 1


# The DELETE of the file's package


@EITHER_END
async def test_a_restore_of_a_file_waits_for_the_delete_of_its_package_and_is_refused(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    (file_id, _) = await file_ids(filled, package_id)
    of_file = await delete_file(filled, package_id, file_id)

    async with held_open(filled, deleting(package_id)) as second:
        restore = await begun_waiting(filled, restoring(of_file))
        await second.end(commits=commits)

        assert await answer_of(restore) == (409 if commits else OK)


@EITHER_END
async def test_a_delete_of_a_package_waits_for_the_restore_of_its_file(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    (file_id, _) = await file_ids(filled, package_id)
    of_file = await delete_file(filled, package_id, file_id)

    async with held_open(filled, restoring(of_file)) as restore:
        second = await begun_waiting(filled, deleting(package_id))
        await restore.end(commits=commits)

        assert await answer_of(second) == OK
    assert await file_statuses(filled, package_id) == ["default" if commits else "processing", "default"]


# The same name, published again


@EITHER_END
async def test_a_restore_waits_for_a_republish_and_leaves_the_name_to_it(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    deletion = await delete(filled, package_id)

    async with held_open(filled, publishing()) as republish:
        restore = await begun_waiting(filled, restoring(deletion))
        await republish.end(commits=commits)

        assert await answer_of(restore) == (409 if commits else OK)
    assert await status_of(filled, package_id) == ("processing" if commits else "default")
    assert await state_of(filled, deletion) == ("queued" if commits else "restored")


@EITHER_END
async def test_a_republish_waits_for_a_restore_and_adds_to_what_came_back(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    deletion = await delete(filled, package_id)

    async with held_open(filled, restoring(deletion)) as restore:
        republish = await begun_waiting(filled, publishing())
        await restore.end(commits=commits)

        assert (await republish == package_id) == commits
    assert len(await file_statuses(filled, package_id)) == (3 if commits else 2)


# The end of the package's last file


@EITHER_END
async def test_a_restore_of_a_package_waits_for_the_end_of_its_last_file_and_is_refused(
    filled: Context, package_id: int, of_last_file: Deletion, *, commits: bool
) -> None:
    worker = await about_to_end(filled, of_last_file)
    whole = await delete(filled, package_id)

    async with held_open(filled, worker.record) as record:
        restore = await begun_waiting(filled, restoring(whole))
        await record.end(commits=commits)

        assert await answer_of(restore) == (409 if commits else OK)
    assert await status_of(filled, package_id) == ("processing" if commits else "default")


@EITHER_END
async def test_the_end_of_the_last_file_waits_for_the_restore_of_its_package_and_takes_the_package_along(
    filled: Context, package_id: int, of_last_file: Deletion, *, commits: bool
) -> None:
    worker = await about_to_end(filled, of_last_file)
    whole = await delete(filled, package_id)

    async with held_open(filled, restoring(whole)) as restore:
        record = await begun_waiting(filled, worker.record)
        await restore.end(commits=commits)
        await record

    assert await status_of(filled, package_id) == (None if commits else "processing")
