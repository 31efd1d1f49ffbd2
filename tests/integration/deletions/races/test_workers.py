"""Workers that meet at one deletion, and others that meet a worker there: one waits or passes by."""

import asyncio
from pathlib import Path

from service.context import Context
from service.deletions.deletion import Deletion
from service.deletions.outcome import AttemptOutcome
from tests.support.catalogue import (
    delete,
    delete_file,
    event_topics,
    file_statuses,
    find_deletion,
    objects_in,
    protect,
    publish,
    query,
    status_of,
)
from tests.support.races import (
    EITHER_END,
    about_to_end,
    begun_waiting,
    claiming,
    file_ids,
    held_open,
    let_lapse,
    state_of,
    wake,
)
from tests.support.stepwise import Worker
from workers.deleter.batch import carry_out


@EITHER_END
async def test_a_second_claim_passes_by_the_first(filled: Context, deletion: Deletion, *, commits: bool) -> None:
    async with held_open(filled, claiming(deletion)) as first:
        assert await Worker().claim(filled, deletion.id) == set()
        await first.end(commits=commits)

    assert await Worker().claim(filled, deletion.id) == (set() if commits else {deletion.id})
    assert (await find_deletion(filled, deletion.id)).attempts == 1
    assert await event_topics(filled) == ["package.deletion_requested"]


async def _late_worker(context: Context, deletion: Deletion) -> Worker:
    """Return a worker with something to record, whose lease has lapsed in the meantime."""
    late = Worker()
    await late.claim(context, deletion.id)
    await late.prepare_chunk(context, limit=1)
    await let_lapse(context, deletion)
    return late


@EITHER_END
async def test_a_late_worker_waits_for_who_takes_over_and_then_records_nothing(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    late, next_one = await _late_worker(filled, deletion), Worker()

    async with held_open(filled, claiming(deletion, next_one)) as takeover:
        record = await begun_waiting(filled, late.record)
        await takeover.end(commits=commits)

        assert await record == ({deletion.id: AttemptOutcome.LOST} if commits else {})
    assert len(await file_statuses(filled, deletion.package_id)) == (2 if commits else 1)
    assert (await find_deletion(filled, deletion.id)).files_done == (0 if commits else 1)


@EITHER_END
async def test_nobody_takes_over_while_a_late_worker_records(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    late, next_one = await _late_worker(filled, deletion), Worker()

    async with held_open(filled, late.record) as record:
        assert await next_one.claim(filled, deletion.id) == set()
        await record.end(commits=commits)

    assert await next_one.claim(filled, deletion.id) == (set() if commits else {deletion.id})
    assert (await find_deletion(filled, deletion.id)).files_done == (1 if commits else 0)


@EITHER_END
async def test_a_late_renewal_waits_for_who_takes_over_and_renews_nothing(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    late, next_one = await _late_worker(filled, deletion), Worker()

    async with held_open(filled, claiming(deletion, next_one)) as takeover:
        renewal = await begun_waiting(filled, late.renew)
        await takeover.end(commits=commits)

        assert await renewal == (0 if commits else 1)


@EITHER_END
async def test_a_late_failure_waits_for_who_takes_over_and_spoils_nothing(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    late, next_one = await _late_worker(filled, deletion), Worker()

    async with held_open(filled, claiming(deletion, next_one)) as takeover:
        failure = await begun_waiting(filled, lambda context: late.fail(context, is_last_attempt=True))
        await takeover.end(commits=commits)
        await failure

    assert await state_of(filled, deletion) == ("destroying" if commits else "failed")


@EITHER_END
async def test_a_late_release_waits_for_who_takes_over_and_gives_nothing_back(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    late, next_one = await _late_worker(filled, deletion), Worker()

    async with held_open(filled, claiming(deletion, next_one)) as takeover:
        release = await begun_waiting(filled, late.release)
        await takeover.end(commits=commits)
        await release

    assert await state_of(filled, deletion) == ("destroying" if commits else "retrying")
    assert (await find_deletion(filled, deletion.id)).attempts == (2 if commits else 0)


# The scheduler and a worker


@EITHER_END
async def test_the_scheduler_passes_by_what_is_being_claimed(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    await query(filled, "UPDATE deletion SET wake_at = now()")

    async with held_open(filled, claiming(deletion)) as claim:
        assert await wake(filled) == 0
        await claim.end(commits=commits)

    assert await wake(filled) == (0 if commits else 1)


@EITHER_END
async def test_a_claim_passes_by_what_is_being_sent_for_and_the_command_comes(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    await query(filled, "DELETE FROM outbox")
    await query(filled, "UPDATE deletion SET wake_at = now()")

    async with held_open(filled, wake) as waking:
        assert await Worker().claim(filled, deletion.id) == set()
        await waking.end(commits=commits)

    commands = await query(filled, "SELECT body FROM outbox WHERE kind = 'command'")
    assert [command["body"]["deletion_ids"] for command in commands] == [[str(deletion.id)]] * commits
    assert await wake(filled) == (0 if commits else 1)
    assert await Worker().claim(filled, deletion.id) == {deletion.id}


# Protection and a worker


@EITHER_END
async def test_a_rule_stops_the_claims_that_come_after_its_commit(
    filled: Context, deletion: Deletion, objects: Path, *, commits: bool
) -> None:
    async with held_open(filled, protect) as rule:
        early, worker = await delete(filled, await publish(filled)), Worker()
        assert await worker.claim(filled, early.id) == {early.id}
        await rule.end(commits=commits)

    assert await Worker().claim(filled, deletion.id) == (set() if commits else {deletion.id})
    assert await state_of(filled, deletion) == ("failed" if commits else "destroying")
    await worker.prepare_chunk(filled)
    assert await worker.record(filled) == {early.id: AttemptOutcome.SUCCEEDED}
    assert len(objects_in(objects)) == 2


@EITHER_END
async def test_a_rule_that_comes_during_a_claim_does_not_stop_it_but_its_successor(
    filled: Context, deletion: Deletion, objects: Path, *, commits: bool
) -> None:
    async with held_open(filled, claiming(deletion)) as claim:
        await protect(filled)
        await claim.end(commits=commits)

    assert await state_of(filled, deletion) == ("destroying" if commits else "queued")
    await let_lapse(filled, deletion)
    await Worker().claim(filled, deletion.id)
    assert await state_of(filled, deletion) == "failed"
    assert await status_of(filled, deletion.package_id) == "error"
    assert len(objects_in(objects)) == 2


async def test_a_rule_that_comes_after_the_first_removal_stops_nothing(
    filled: Context, deletion: Deletion, stop: asyncio.Event
) -> None:
    worker = Worker()
    await worker.claim(filled, deletion.id)
    await worker.prepare_chunk(filled, limit=1)
    await worker.record(filled)
    await let_lapse(filled, deletion)

    await protect(filled)
    await carry_out(filled, [deletion.id], stop)

    assert await status_of(filled, deletion.package_id) is None


# Two last files


@EITHER_END
async def test_the_last_two_files_that_end_at_once_take_the_package_along(
    filled: Context, package_id: int, *, commits: bool
) -> None:
    workers = [
        await about_to_end(filled, await delete_file(filled, package_id, file_id))
        for file_id in await file_ids(filled, package_id)
    ]

    async with held_open(filled, workers[0].record) as first:
        second = await begun_waiting(filled, workers[1].record)
        await first.end(commits=commits)
        await second

    assert await status_of(filled, package_id) == (None if commits else "default")
