"""Holds that meet deletions: once a hold is answered no chunk begins, and what it stopped goes on when it is lifted."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from typing_extensions import override

from service.context import Context
from service.deletions.deletion import Deletion
from service.deletions.outcome import AttemptOutcome
from service.infra.postgres.database import Connection, Database
from tests.support.catalogue import delete, objects_in, publish, query, status_of
from tests.support.races import (
    EITHER_END,
    begun_waiting,
    claiming,
    held_open,
    hold,
    lift,
    state_of,
    wake,
)
from tests.support.stepwise import Worker, try_claim, with_settings
from workers.deleter.batch import carry_out


class _HoldingDatabase(Database):
    """The same pool; a hold comes after the first transaction, a claim, and is lifted before the second."""

    def __init__(self, context: Context) -> None:
        super().__init__(context.database._pool, context.database._url)
        self._context = context
        self._transactions = 0

    @override
    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        self._transactions += 1
        number = self._transactions
        if number == 2:
            await lift(self._context)
        async with super().transaction() as connection:
            yield connection
        if number == 1:
            await hold(self._context)


async def _commands(context: Context) -> int:
    return len(await query(context, "SELECT FROM outbox WHERE kind = 'command'"))


# A claim


@EITHER_END
async def test_a_claim_that_ends_after_a_hold_began_removes_nothing(
    filled: Context, deletion: Deletion, objects: Path, *, commits: bool
) -> None:
    worker = Worker()

    async with held_open(filled, claiming(deletion, worker)) as claim:
        await hold(filled)
        await claim.end(commits=commits)

    await worker.prepare_chunk(filled)
    assert await worker.record(filled) == ({deletion.id: AttemptOutcome.ON_HOLD} if commits else {})
    assert len(objects_in(objects)) == 2


@EITHER_END
async def test_a_hold_stops_the_claims_that_come_after_its_commit(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    async with held_open(filled, hold) as holding:
        early = await delete(filled, await publish(filled))
        assert await try_claim(filled, early)
        await holding.end(commits=commits)

    assert await try_claim(filled, deletion) is not commits


@EITHER_END
async def test_a_lift_lets_in_the_claims_that_come_after_its_commit(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    await hold(filled)

    async with held_open(filled, lift) as lifting:
        assert not await try_claim(filled, deletion)
        await lifting.end(commits=commits)

    assert await try_claim(filled, deletion) is commits


# The next chunk


@EITHER_END
async def test_a_hold_stops_the_chunks_that_begin_after_its_commit(
    filled: Context, deletion: Deletion, objects: Path, *, commits: bool
) -> None:
    worker = Worker()
    await worker.claim(filled, deletion.id)

    async with held_open(filled, hold) as holding:
        await worker.prepare_chunk(filled, limit=1)
        await holding.end(commits=commits)

    assert await worker.record(filled) == ({deletion.id: AttemptOutcome.ON_HOLD} if commits else {})
    await worker.prepare_chunk(filled)
    assert len(objects_in(objects)) == (1 if commits else 0)


@EITHER_END
async def test_a_hold_does_not_wait_for_a_chunk_that_is_being_recorded_and_stops_the_next(
    filled: Context, deletion: Deletion, objects: Path, *, commits: bool
) -> None:
    worker = Worker()
    await worker.claim(filled, deletion.id)
    await worker.prepare_chunk(filled, limit=1)

    async with held_open(filled, worker.record) as record:
        assert (await hold(filled)).below.under_way == 1
        await record.end(commits=commits)

    await worker.prepare_chunk(filled)
    assert await worker.record(filled) == {deletion.id: AttemptOutcome.ON_HOLD}
    assert len(objects_in(objects)) == 1


@EITHER_END
async def test_a_hold_tells_of_the_chunk_that_began_before_it_was_there(
    filled: Context, deletion: Deletion, objects: Path, *, commits: bool
) -> None:
    worker = Worker()

    async with held_open(filled, claiming(deletion, worker)) as claim:
        async with held_open(filled, hold) as holding:
            await claim.end(commits=commits)
            await worker.look(filled)
            report = await holding.end(commits=True)
        await worker.remove(filled)

    assert report is not None
    assert (report.below.waiting, report.below.under_way) == (1, 1 if commits else 0)
    assert len(objects_in(objects)) == (0 if commits else 2)


# A lift


@EITHER_END
async def test_what_the_scheduler_finds_on_hold_in_the_moment_of_the_lift_goes_on_at_once(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    await hold(filled)
    await query(filled, "UPDATE deletion SET wake_at = now()")

    async with held_open(filled, wake) as waking:
        lifting = await begun_waiting(filled, lift)
        await waking.end(commits=commits)
        assert (await lifting).below.released == 1

    assert await wake(filled) == 1
    assert await _commands(filled) == 2


@EITHER_END
async def test_the_scheduler_waits_for_a_lift_and_sends_for_what_that_released(
    filled: Context, deletion: Deletion, *, commits: bool
) -> None:
    await hold(filled)
    await query(filled, "UPDATE deletion SET wake_at = now()")

    async with held_open(filled, lift) as lifting:
        waking = await begun_waiting(filled, wake)
        await lifting.end(commits=commits)
        assert await waking == 1

    assert await _commands(filled) == (2 if commits else 1)


async def test_a_hold_that_is_lifted_between_the_look_for_a_chunk_and_its_record_is_no_failure(
    filled: Context, deletion: Deletion, objects: Path, stop: asyncio.Event
) -> None:
    last_try = with_settings(filled, max_attempts=1)

    await carry_out(replace(last_try, database=_HoldingDatabase(filled)), [deletion.id], stop)

    assert await state_of(filled, deletion) == "succeeded"
    assert await status_of(filled, deletion.package_id) is None
    assert objects_in(objects) == set()
