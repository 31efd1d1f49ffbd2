"""Workers hear of a single deletion from the database, before its command is with the broker."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

from service.context import Context
from tests.support.catalogue import delete, delete_file, objects_in, publish, query
from tests.support.races import file_ids
from workers.deleter.announced import take_announced
from workers.deleter.batch import carry_out


async def test_a_single_deletion_is_carried_out_although_no_command_comes(filled: Context, objects: Path) -> None:
    stop, listens, carried_out = asyncio.Event(), uuid4(), list[UUID]()
    package, other = await publish(filled), await publish(filled, version="2.0", files=["a", "b"])

    async def work_on(ids: Sequence[UUID]) -> None:
        await carry_out(filled, ids, stop)
        carried_out.extend(ids)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(take_announced(filled.database, work_on, stop))
        while listens not in carried_out:
            await query(filled, "SELECT pg_notify('packyard_deletions', $1)", str(listens))
            await asyncio.sleep(0.01)
        # Any session may send what is no deletion.
        await query(filled, "SELECT pg_notify('packyard_deletions', 'everything')")
        wanted = {(await delete(filled, package)).id}
        wanted.add((await delete_file(filled, other, (await file_ids(filled, other))[0])).id)
        while not wanted <= {*carried_out}:
            await asyncio.sleep(0.01)
        stop.set()

    ended = await query(filled, "SELECT id FROM deletion WHERE state = 'succeeded'")
    assert {row["id"] for row in ended} == wanted
    assert len(objects_in(objects)) == 1
