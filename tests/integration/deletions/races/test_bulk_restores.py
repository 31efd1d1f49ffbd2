"""Bulk restores that meet workers and other restores: each deletion comes back whole, or the answer says why not."""

from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from service.context import Context
from service.deletions.deletion import Deletion
from service.deletions.undoing.restore import Restoration
from tests.support.catalogue import (
    delete_many,
    event_topics,
    file_statuses,
    find_deletion,
    objects_in,
    query,
    status_of,
)
from tests.support.races import (
    EITHER_END,
    OK,
    answer_of,
    begun_waiting,
    claiming,
    deleting,
    destroying_now,
    held_open,
    publishing,
    restoring,
    restoring_many,
    state_of,
)
from tests.support.stepwise import Worker, with_settings

_GRACE: Final = timedelta(hours=1)


@pytest.fixture
async def batch(filled: Context, package_id: int, other_id: int) -> list[Deletion]:
    """The deletions of both packages, accepted in one call."""
    plan = await delete_many(filled, (package_id, other_id))
    return [await find_deletion(filled, plan.deletion_ids[id_]) for id_ in (package_id, other_id)]


def _restored(restoration: Restoration) -> list[UUID]:
    return sorted(deletion.id for deletion in restoration.restored)


# A worker


@EITHER_END
async def test_a_bulk_restore_waits_for_a_claim_and_brings_back_the_others(
    filled: Context, batch: list[Deletion], *, commits: bool
) -> None:
    first, second = batch

    async with held_open(filled, claiming(first)) as claim:
        restore = await begun_waiting(filled, restoring_many(first.batch_id))
        await claim.end(commits=commits)
        restoration = await restore

    assert _restored(restoration) == ([second.id] if commits else [first.id, second.id])
    assert [*restoration.refused] == ([first.id] if commits else [])
    assert await file_statuses(filled, first.package_id) == ["pending_destruction" if commits else "default"] * 2
    assert await file_statuses(filled, second.package_id) == ["default", "default"]


@EITHER_END
async def test_a_claim_passes_by_all_that_is_being_restored_at_once(
    filled: Context, batch: list[Deletion], *, commits: bool
) -> None:
    ids = {deletion.id for deletion in batch}

    async with held_open(filled, restoring_many(batch[0].batch_id)) as restore:
        assert await Worker().claim(filled, *ids) == set()
        await restore.end(commits=commits)

    assert await Worker().claim(filled, *ids) == (set() if commits else ids)
    for deletion in batch:
        assert await state_of(filled, deletion) == ("restored" if commits else "destroying")
        assert await status_of(filled, deletion.package_id) == ("default" if commits else "pending_destruction")


@EITHER_END
async def test_a_bulk_restore_waits_for_the_marking_of_a_grace_period_and_undoes_it(
    filled: Context, batch: list[Deletion], objects: Path, *, commits: bool
) -> None:
    async with held_open(with_settings(filled, grace_period=_GRACE), claiming(batch[1])) as claim:
        restore = await begun_waiting(filled, restoring_many(batch[1].batch_id))
        await claim.end(commits=commits)

        assert _restored(await restore) == [deletion.id for deletion in batch]
    for deletion in batch:
        assert await file_statuses(filled, deletion.package_id) == ["default", "default"]
    assert len(objects_in(objects)) == 4


@EITHER_END
async def test_a_bulk_restore_waits_for_a_chunk_and_brings_back_only_what_no_worker_has(
    filled: Context, batch: list[Deletion], *, commits: bool
) -> None:
    first, second = batch
    worker = Worker()
    await worker.claim(filled, first.id)
    await worker.prepare_chunk(filled, limit=1)

    async with held_open(filled, worker.record) as record:
        restore = await begun_waiting(filled, restoring_many(first.batch_id))
        await record.end(commits=commits)

        assert _restored(await restore) == [second.id]
    assert len(await file_statuses(filled, first.package_id)) == (1 if commits else 2)
    assert await status_of(filled, first.package_id) == "pending_destruction"


# Other second thoughts


@EITHER_END
async def test_a_bulk_restore_waits_for_the_restore_of_one_and_restores_it_only_once(
    filled: Context, batch: list[Deletion], *, commits: bool
) -> None:
    first, second = batch

    async with held_open(filled, restoring(first)) as single:
        restore = await begun_waiting(filled, restoring_many(first.batch_id))
        await single.end(commits=commits)
        restoration = await restore

    assert _restored(restoration) == ([second.id] if commits else [first.id, second.id])
    assert (await event_topics(filled)).count("package.restored") == 2
    acts = await query(filled, "SELECT deletion_id FROM deletion_act WHERE action = 'restore' ORDER BY deletion_id")
    assert [act["deletion_id"] for act in acts] == [first.id, second.id]


@EITHER_END
async def test_a_restore_of_one_waits_for_a_bulk_restore_and_is_told_that_it_is_done(
    filled: Context, batch: list[Deletion], *, commits: bool
) -> None:
    async with held_open(filled, restoring_many(batch[0].batch_id)) as restore:
        single = await begun_waiting(filled, restoring(batch[1]))
        await restore.end(commits=commits)

        assert await answer_of(single) == (409 if commits else OK)
    assert (await event_topics(filled)).count("package.restored") == (2 if commits else 1)


@EITHER_END
async def test_of_two_bulk_restores_the_second_restores_what_the_first_left(
    filled: Context, batch: list[Deletion], *, commits: bool
) -> None:
    ids = [deletion.id for deletion in batch]

    async with held_open(filled, restoring_many(batch[0].batch_id)) as first:
        second = await begun_waiting(filled, restoring_many(batch[0].batch_id))
        await first.end(commits=commits)
        restoration = await second

    assert (_restored(restoration), sorted(restoration.refused)) == (([], ids) if commits else (ids, []))
    assert (await event_topics(filled)).count("package.restored") == 2


@EITHER_END
async def test_a_bulk_restore_waits_for_the_end_of_a_grace_and_is_still_in_time(
    filled: Context, batch: list[Deletion], *, commits: bool
) -> None:
    async with held_open(filled, destroying_now(batch[0])) as end:
        restore = await begun_waiting(filled, restoring_many(batch[0].batch_id))
        await end.end(commits=commits)

        assert _restored(await restore) == [deletion.id for deletion in batch]
    assert await Worker().claim(filled, batch[0].id) == set()
    assert await status_of(filled, batch[0].package_id) == "default"


@EITHER_END
async def test_who_would_end_a_grace_waits_for_a_bulk_restore_and_is_refused(
    filled: Context, batch: list[Deletion], *, commits: bool
) -> None:
    async with held_open(filled, restoring_many(batch[0].batch_id)) as restore:
        end = await begun_waiting(filled, destroying_now(batch[0]))
        await restore.end(commits=commits)

        assert await answer_of(end) == (409 if commits else OK)
    assert await status_of(filled, batch[0].package_id) == ("default" if commits else "processing")


# The same name, published or deleted again


@EITHER_END
async def test_a_bulk_restore_waits_for_a_republish_and_leaves_that_name_to_it(
    filled: Context, batch: list[Deletion], *, commits: bool
) -> None:
    first, second = batch

    async with held_open(filled, publishing()) as republish:
        restore = await begun_waiting(filled, restoring_many(first.batch_id))
        await republish.end(commits=commits)
        restoration = await restore

    assert _restored(restoration) == ([second.id] if commits else [first.id, second.id])
    assert await status_of(filled, first.package_id) == ("processing" if commits else "default")
    assert await status_of(filled, second.package_id) == "default"


@EITHER_END
async def test_a_republish_waits_for_a_bulk_restore_and_adds_to_what_came_back(
    filled: Context, batch: list[Deletion], *, commits: bool
) -> None:
    async with held_open(filled, restoring_many(batch[0].batch_id)) as restore:
        republish = await begun_waiting(filled, publishing())
        await restore.end(commits=commits)

        assert (await republish == batch[0].package_id) == commits


@EITHER_END
async def test_what_is_being_restored_cannot_be_deleted_before_it_is_back(
    filled: Context, batch: list[Deletion], *, commits: bool
) -> None:
    async with held_open(filled, restoring_many(batch[0].batch_id)) as restore:
        assert await answer_of(deleting(batch[0].package_id)(filled)) == 404
        await restore.end(commits=commits)

    assert await answer_of(deleting(batch[0].package_id)(filled)) == (OK if commits else 404)
