"""Claims of deletions: one worker has each, and a late worker changes nothing."""

import asyncio
from datetime import timedelta
from pathlib import Path

from schemas.statuses import DeletionState
from service.context import Context
from service.deletions.outcome import AttemptOutcome
from tests.support.catalogue import (
    delete,
    event_topics,
    file_statuses,
    find_deletion,
    objects_in,
    publish,
    status_of,
)
from tests.support.races import state_of
from tests.support.stepwise import claimed
from workers.deleter.batch import carry_out


async def test_a_claim_commits_every_mark_before_any_object_may_go(filled: Context, objects: Path) -> None:
    package_id = await publish(filled, files=["a", "b"])
    deletion = await delete(filled, package_id)

    await claimed(filled, deletion)

    assert await status_of(filled, package_id) == "pending_destruction"
    assert await file_statuses(filled, package_id) == ["pending_destruction"] * 2
    assert len(objects_in(objects)) == 2
    assert await state_of(filled, deletion) is DeletionState.DESTROYING


async def test_a_command_that_comes_twice_does_nothing_the_second_time(filled: Context, stop: asyncio.Event) -> None:
    deletion = await delete(filled, await publish(filled))

    await carry_out(filled, [deletion.id, deletion.id], stop)
    topics = await event_topics(filled)
    await carry_out(filled, [deletion.id], stop)

    assert await event_topics(filled) == topics


async def test_of_twenty_workers_one_gets_the_claim(filled: Context) -> None:
    deletion = await delete(filled, await publish(filled))

    async with asyncio.TaskGroup() as group:
        tries = [group.create_task(claimed(filled, deletion)) for _ in range(20)]

    assert sum(len(attempt.result().owned) for attempt in tries) == 1


async def test_a_lapsed_claim_is_taken_over_and_the_late_worker_changes_nothing(
    filled: Context, stop: asyncio.Event
) -> None:
    package_id = await publish(filled, files=["a", "b"])
    deletion = await delete(filled, package_id)
    late = await claimed(filled, deletion, lease=timedelta(milliseconds=1))
    await late.look(filled)
    await asyncio.sleep(0.01)

    next_one = await claimed(filled, deletion)
    late.removed = late.files
    outcomes = await late.record(filled)

    assert len(late.files) == 2
    assert next_one.owned[deletion.id].attempts == 2
    assert outcomes == {deletion.id: AttemptOutcome.LOST}
    assert await file_statuses(filled, package_id) == ["pending_destruction"] * 2


async def test_a_live_claim_is_left_alone(filled: Context) -> None:
    deletion = await delete(filled, await publish(filled))
    await claimed(filled, deletion)

    assert (await claimed(filled, deletion)).owned == {}


async def test_a_worker_that_goes_on_after_an_outage_of_the_database_begins_no_new_attempt(filled: Context) -> None:
    deletion = await delete(filled, await publish(filled))
    worker = await claimed(filled, deletion)

    attempts = set()
    for _ in range(7):
        await claimed(filled, deletion, worker=worker)
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
