"""Requests that meet at one package: the second one waits, and finds the result of the first."""

from service.context import Context
from tests.support.catalogue import delete, delete_file, event_topics, file_statuses, status_of
from tests.support.races import (
    EITHER_END,
    OK,
    answer_of,
    begun_waiting,
    deleting,
    deleting_file,
    failed,
    file_ids,
    held_open,
    retrying,
    state_of,
)

# DELETE and DELETE


@EITHER_END
async def test_of_two_deletes_of_a_package_one_finds_nothing(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    async with held_open(filled, deleting(package_id)) as first:
        second = await begun_waiting(filled, deleting(package_id))
        await first.end(commits=commits)

        assert await answer_of(second) == (404 if commits else OK)
    assert await event_topics(filled) == ["package.deletion_requested"]


@EITHER_END
async def test_of_two_deletes_of_a_file_one_finds_nothing(filled: Context, package_id: int, *, commits: bool) -> None:
    (file_id, _) = await file_ids(filled, package_id)

    async with held_open(filled, deleting_file(package_id, file_id)) as first:
        second = await begun_waiting(filled, deleting_file(package_id, file_id))
        await first.end(commits=commits)

        assert await answer_of(second) == (404 if commits else OK)
    assert await event_topics(filled) == ["package_file.deletion_requested"]


@EITHER_END
async def test_a_delete_of_a_package_waits_for_that_of_its_file_and_takes_the_file_along(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    (file_id, _) = await file_ids(filled, package_id)

    async with held_open(filled, deleting_file(package_id, file_id)) as first:
        second = await begun_waiting(filled, deleting(package_id))
        await first.end(commits=commits)

        assert (await second).files_total == 2
    assert await status_of(filled, package_id) == "processing"
    assert await file_statuses(filled, package_id) == ["processing" if commits else "default", "default"]


@EITHER_END
async def test_a_delete_of_a_file_waits_for_that_of_its_package_and_finds_nothing(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    (file_id, _) = await file_ids(filled, package_id)

    async with held_open(filled, deleting(package_id)) as first:
        second = await begun_waiting(filled, deleting_file(package_id, file_id))
        await first.end(commits=commits)

        assert await answer_of(second) == (404 if commits else OK)
    assert await file_statuses(filled, package_id) == ["default" if commits else "processing", "default"]


# DELETE and retry


@EITHER_END
async def test_a_delete_waits_for_a_retry_and_finds_nothing(filled: Context, package_id: int, *, commits: bool) -> None:
    before = await failed(filled, await delete(filled, package_id))

    async with held_open(filled, retrying(before)) as retry:
        second = await begun_waiting(filled, deleting(package_id))
        await retry.end(commits=commits)

        assert await answer_of(second) == (404 if commits else OK)
    assert await state_of(filled, before) == ("retrying" if commits else "failed")


@EITHER_END
async def test_a_retry_waits_for_a_delete_and_is_refused(filled: Context, package_id: int, *, commits: bool) -> None:
    before = await failed(filled, await delete(filled, package_id))

    async with held_open(filled, deleting(package_id)) as second:
        retry = await begun_waiting(filled, retrying(before))
        await second.end(commits=commits)

        assert await answer_of(retry) == (409 if commits else OK)
    assert await state_of(filled, before) == ("failed" if commits else "retrying")


@EITHER_END
async def test_a_delete_of_a_file_waits_for_the_retry_of_an_earlier_one_and_finds_nothing(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    (file_id, _) = await file_ids(filled, package_id)
    before = await failed(filled, await delete_file(filled, package_id, file_id))

    async with held_open(filled, retrying(before)) as retry:
        second = await begun_waiting(filled, deleting_file(package_id, file_id))
        await retry.end(commits=commits)

        assert await answer_of(second) == (404 if commits else OK)


@EITHER_END
async def test_a_retry_for_a_file_waits_for_a_delete_and_is_refused(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    (file_id, _) = await file_ids(filled, package_id)
    before = await failed(filled, await delete_file(filled, package_id, file_id))

    async with held_open(filled, deleting_file(package_id, file_id)) as second:
        retry = await begun_waiting(filled, retrying(before))
        await second.end(commits=commits)

        assert await answer_of(retry) == (409 if commits else OK)


@EITHER_END
async def test_of_two_retries_one_is_refused(filled: Context, package_id: int, *, commits: bool) -> None:
    before = await failed(filled, await delete(filled, package_id))

    async with held_open(filled, retrying(before)) as first:
        second = await begun_waiting(filled, retrying(before))
        await first.end(commits=commits)

        assert await answer_of(second) == (409 if commits else OK)
