"""Bulk deletes by a filter that meet what changes its set: what was expected goes, or nothing does."""

from typing import Final

from schemas.http.bulk import PackageFilter
from service.context import Context
from service.deletions.deletion import Deletion
from tests.support.catalogue import event_topics, status_of
from tests.support.races import (
    EITHER_END,
    OK,
    accepted_ids,
    answer_of,
    begun_waiting,
    deleting,
    deleting_many,
    held_open,
    restoring,
)

_APPS: Final = PackageFilter(package_name="app")


@EITHER_END
async def test_a_bulk_delete_does_not_delete_another_number_than_was_expected(
    filled: Context, package_id: int, other_id: int, *, commits: bool
) -> None:
    async with held_open(filled, deleting(other_id)) as single:
        bulk = await begun_waiting(filled, deleting_many(_APPS, expected_count=2))
        await single.end(commits=commits)

        assert await answer_of(bulk) == (409 if commits else OK)
    assert await status_of(filled, package_id) == ("default" if commits else "processing")
    assert (await event_topics(filled)).count("package.deletion_requested") == (1 if commits else 2)


@EITHER_END
async def test_a_delete_waits_for_a_filter_that_has_found_as_many_as_were_expected(
    filled: Context, package_id: int, other_id: int, *, commits: bool
) -> None:
    async with held_open(filled, deleting_many(_APPS, expected_count=2)) as bulk:
        single = await begun_waiting(filled, deleting(other_id))
        plan = await bulk.end(commits=commits)

        assert await answer_of(single) == (404 if commits else OK)
    assert plan is None or accepted_ids(plan) == [package_id, other_id]
    assert await status_of(filled, package_id) == ("processing" if commits else "default")


@EITHER_END
async def test_what_comes_back_meanwhile_is_not_among_what_a_filter_finds(
    filled: Context, deletion: Deletion, other_id: int, *, commits: bool
) -> None:
    async with held_open(filled, restoring(deletion)) as restore:
        plan = await deleting_many(_APPS, expected_count=1)(filled)
        await restore.end(commits=commits)

    assert accepted_ids(plan) == [other_id]
    assert await status_of(filled, deletion.package_id) == ("default" if commits else "processing")
