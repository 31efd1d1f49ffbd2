"""Uploads that meet deletions: what is published now stays, and what was accepted before goes."""

from pathlib import Path

from service.context import Context
from service.deletions.deletion import Deletion
from service.deletions.outcome import AttemptOutcome
from tests.support.catalogue import delete, event_topics, file_statuses, objects_in, publish, status_of
from tests.support.races import EITHER_END, about_to_end, begun_waiting, deleting, held_open, publishing

# Republish and the end of the deletion of the same name


@EITHER_END
async def test_a_republish_during_the_end_of_a_deletion_neither_waits_nor_joins(
    filled: Context, package_id: int, objects: Path, *, commits: bool
) -> None:
    worker = await about_to_end(filled, await delete(filled, package_id))

    async with held_open(filled, worker.record) as record:
        again = await publish(filled)
        await record.end(commits=commits)

    assert again != package_id
    assert await status_of(filled, package_id) == (None if commits else "pending_destruction")
    assert await status_of(filled, again) == "default"
    assert len(objects_in(objects)) == 1


@EITHER_END
async def test_the_end_of_a_deletion_does_not_wait_for_a_republish_and_leaves_it_alone(
    filled: Context, package_id: int, objects: Path, *, commits: bool
) -> None:
    deletion = await delete(filled, package_id)
    worker = await about_to_end(filled, deletion)

    async with held_open(filled, publishing()) as republish:
        assert await worker.record(filled) == {deletion.id: AttemptOutcome.SUCCEEDED}
        again = await republish.end(commits=commits)

    assert again != package_id
    assert await status_of(filled, again or 0) == ("default" if commits else None)
    assert len(objects_in(objects)) == (1 if commits else 0)


# Upload and DELETE


@EITHER_END
async def test_a_delete_waits_for_an_upload_into_the_package_and_counts_its_file(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    async with held_open(filled, publishing()) as upload:
        second = await begun_waiting(filled, deleting(package_id))
        await upload.end(commits=commits)

        assert (await second).files_total == (3 if commits else 2)


@EITHER_END
async def test_an_upload_waits_for_the_delete_of_its_package_and_begins_a_new_one(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    async with held_open(filled, deleting(package_id)) as first:
        upload = await begun_waiting(filled, publishing())
        await first.end(commits=commits)

        assert (await upload != package_id) == commits
    assert len(await file_statuses(filled, package_id)) == (2 if commits else 3)
    assert await status_of(filled, await upload) == "default"


# Upload and the end of the deletion of the last file


@EITHER_END
async def test_the_end_of_the_last_file_waits_for_an_upload_and_leaves_the_package(
    filled: Context, package_id: int, of_last_file: Deletion, *, commits: bool
) -> None:
    worker = await about_to_end(filled, of_last_file)

    async with held_open(filled, publishing()) as upload:
        record = await begun_waiting(filled, worker.record)
        await upload.end(commits=commits)

        assert await record == {of_last_file.id: AttemptOutcome.SUCCEEDED}
    assert await status_of(filled, package_id) == ("default" if commits else None)
    assert (await event_topics(filled)).count("package.destroyed") == (0 if commits else 1)


@EITHER_END
async def test_an_upload_waits_for_the_end_of_the_last_file_and_begins_a_new_package(
    filled: Context, package_id: int, of_last_file: Deletion, *, commits: bool
) -> None:
    worker = await about_to_end(filled, of_last_file)

    async with held_open(filled, worker.record) as record:
        upload = await begun_waiting(filled, publishing())
        await record.end(commits=commits)

        assert (await upload != package_id) == commits
    assert await status_of(filled, await upload) == "default"
    assert len(await file_statuses(filled, await upload)) == (1 if commits else 2)
