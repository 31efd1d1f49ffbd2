"""Whoever takes many deletions takes them in the order of their ids, so that nobody waits in a circle."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias
from uuid import UUID

import pytest

from service.context import Context
from tests.support.catalogue import delete_many, query
from tests.support.races import UseCase, begun_waiting, held_open, hold, lift, restoring_many
from tests.support.stepwise import StepwiseWorker

_Taking: TypeAlias = Callable[[StepwiseWorker, UUID], UseCase[Any]]

_TAKING: Final[dict[str, _Taking]] = {
    "record": lambda worker, _: worker.record,
    "renew": lambda worker, _: worker.renew,
    "release": lambda worker, _: worker.release,
    "fail": lambda worker, _: worker.fail,
    "bulk restore": lambda _, batch_id: restoring_many(batch_id),
    "lift": lambda _worker, _batch_id: lift,
}


def _locking(deletion_id: UUID) -> UseCase[None]:
    async def lock(context: Context) -> None:
        async with context.database.transaction() as connection:
            await connection.execute("SELECT FROM deletion WHERE id = $1 FOR UPDATE", deletion_id)

    return lock


@pytest.mark.parametrize("taking", _TAKING.values(), ids=_TAKING)
async def test_who_waits_for_the_first_deletion_has_not_taken_the_second(
    filled: Context, package_id: int, other_id: int, taking: _Taking
) -> None:
    plan = await delete_many(filled, (package_id, other_id))
    first, second = sorted(plan.deletion_ids.values())
    ((batch,),) = [row.values() for row in await query(filled, "SELECT DISTINCT batch_id FROM deletion")]
    worker = StepwiseWorker()
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
