"""Transactions lock deletions, then packages, then files, each in the order of ids: no two wait in a circle."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias
from uuid import UUID

import pytest

from service.context import Context
from tests.support.catalogue import delete, delete_file, delete_many, query, restore
from tests.support.races import UseCase, begun_waiting, file_ids, held_open, hold, lift, restoring_many
from tests.support.stepwise import Worker

_Taking: TypeAlias = Callable[[Worker, UUID], UseCase[Any]]

_TAKING: Final[dict[str, _Taking]] = {
    "record": lambda worker, _: worker.record,
    "renew": lambda worker, _: worker.renew,
    "release": lambda worker, _: worker.release,
    "fail": lambda worker, _: worker.fail,
    "bulk restore": lambda _, batch_id: restoring_many(batch_id),
    "lift": lambda _worker, _batch_id: lift,
}


def _locking(deletion_id: UUID) -> UseCase[None]:
    return _running("SELECT FROM deletion WHERE id = $1 FOR UPDATE", deletion_id)


def _running(statement: str, value: object) -> UseCase[None]:
    async def run(context: Context) -> None:
        async with context.database.transaction() as connection:
            await connection.execute(statement, value)

    return run


@pytest.mark.parametrize("taking", _TAKING.values(), ids=_TAKING)
async def test_who_waits_for_the_first_deletion_has_not_taken_the_second(
    filled: Context, package_id: int, other_id: int, taking: _Taking
) -> None:
    plan = await delete_many(filled, (package_id, other_id))
    first, second = sorted(plan.deletion_ids.values())
    ((batch,),) = [row.values() for row in await query(filled, "SELECT DISTINCT batch_id FROM deletion")]
    worker = Worker()
    await worker.claim(filled, first, second)
    await hold(filled)
    await query(filled, "UPDATE deletion SET held = true WHERE id = $1", second)
    # The last to be written: a statement without an order comes to it last.
    await query(filled, "UPDATE deletion SET held = true WHERE id = $1", first)

    async with held_open(filled, _locking(first)) as lock:
        taker = await begun_waiting(filled, taking(worker, batch))
        free = await query(filled, "SELECT id FROM deletion FOR UPDATE SKIP LOCKED")
        await lock.end(commits=True)
        await taker

    assert [row["id"] for row in free] == [second]


async def _claim_again(worker: Worker, context: Context) -> None:
    await worker.claim(context, *worker.owned)


async def _fail(worker: Worker, context: Context) -> None:
    await worker.fail(context, is_last_attempt=True)


@pytest.mark.parametrize("step", [_claim_again, Worker.record, _fail], ids=["claim", "record", "fail"])
async def test_a_worker_that_waits_for_the_first_package_has_taken_neither_the_second_nor_a_file(
    filled: Context, package_id: int, other_id: int, step: Callable[[Worker, Context], Awaitable[object]]
) -> None:
    # The first package stays on display and loses one file. The second one goes.
    (file_id, _) = await file_ids(filled, package_id)
    of_file = await delete_file(filled, package_id, file_id)
    of_package = await delete_many(filled, (other_id,))
    worker = Worker()
    await worker.claim(filled, of_file.id, *of_package.deletion_ids.values())
    await worker.prepare_chunk(filled)

    async with held_open(filled, _running("SELECT FROM package WHERE id = $1 FOR UPDATE", package_id)) as lock:
        taker = await begun_waiting(filled, lambda context: _awaited(step(worker, context)))
        packages = await query(filled, "SELECT id FROM package FOR UPDATE SKIP LOCKED")
        files = await query(filled, "SELECT id FROM package_file FOR UPDATE SKIP LOCKED")
        await lock.end(commits=True)
        await taker

    assert [row["id"] for row in packages] == [other_id]
    assert len(files) == 4


async def test_a_restore_takes_no_second_deletion_that_another_may_have_taken_first(
    filled: Context, package_id: int
) -> None:
    (file_id, _) = await file_ids(filled, package_id)
    of_file = await delete_file(filled, package_id, file_id)
    of_package = await delete(filled, package_id)

    async with held_open(filled, _locking(of_file.id)) as lock:
        async with asyncio.timeout(5):
            restored = await restore(filled, of_package.id)
        await lock.end(commits=True)

    assert restored.state == "restored"


async def _awaited(step: Awaitable[object]) -> object:
    return await step
