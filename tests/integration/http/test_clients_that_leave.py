"""Clients that go away before they are answered: what is read for them ends, what is written for them does not."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
import pytest

from service.context import Context
from service.observing import metrics
from tests.support.catalogue import publish, query
from tests.support.wire import Wire, listening, request
from tests.support.yard import eventually

_LIST: Final = b"/api/v4/projects/100/packages"
_CLIENTS: Final = 16
_MAINTAINER: Final = b"PRIVATE-TOKEN: maintainer-token"
_FILE: Final = b"/api/v4/projects/100/packages/generic/app/1.0/app.bin"
_FROM_ALL: Final = "LOCK TABLE package IN ACCESS EXCLUSIVE MODE"
_FROM_WRITERS: Final = "LOCK TABLE package IN SHARE MODE"
_WAITING: Final = """
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND state = 'active'
"""

pytestmark = pytest.mark.usefixtures("database_of_its_own")


@pytest.fixture
async def wire(filled: Context) -> AsyncGenerator[Wire]:
    async with listening(filled) as opened:
        yield opened


class Waiting:
    """Statements that wait for a lock, as another session sees them."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def count(self) -> int:
        return len(await self._connection.fetch(_WAITING))

    async def is_any(self) -> bool:
        return await self.count() > 0


@asynccontextmanager
async def _locked(database_url: str, lock: str) -> AsyncGenerator[Waiting]:
    """Take a lock, so that statements take very long."""
    holder, observer = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    try:
        async with holder.transaction():
            await holder.execute(lock)
            yield Waiting(observer)
    finally:
        await holder.close()
        await observer.close()


async def _ask(wire: Wire, sent: bytes) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(sent)
    return writer


async def _leave(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    await asyncio.sleep(0.3)


def _left(outcome: str) -> float:
    return metrics.REGISTRY.get_sample_value("packyard_http_requests_left_total", {"outcome": outcome}) or 0


async def test_what_is_read_for_clients_that_left_ends_with_its_statement(
    wire: Wire, filled: Context, database_url: str
) -> None:
    before = _left("cancelled")
    async with _locked(database_url, _FROM_ALL) as waiting:
        writers = [await _ask(wire, request(b"GET", _LIST, _MAINTAINER)) for _ in range(_CLIENTS)]

        async def is_busy() -> bool:
            return await waiting.count() == filled.database.usage()["most"]

        async def is_over() -> bool:
            return not await waiting.is_any() and filled.database.usage()["used"] == 0

        await eventually(is_busy, within=10)
        await _leave(*writers)
        await eventually(is_over, within=5)

        assert (await wire.send(request(b"GET", b"/api/v4/user", _MAINTAINER), patience=5)).status == 200
    assert _left("cancelled") - before == _CLIENTS
    # None of the connections is lost to the pool.
    async with asyncio.TaskGroup() as group:
        answers = [group.create_task(wire.send(request(b"GET", _LIST, _MAINTAINER))) for _ in range(_CLIENTS)]
    assert {answer.result().status for answer in answers} == {200}


async def test_what_is_written_for_a_client_that_left_runs_to_its_end(
    wire: Wire, filled: Context, database_url: str
) -> None:
    before = _left("finished")
    package_id = await publish(filled)
    async with _locked(database_url, _FROM_ALL) as waiting:
        path = b"/api/v4/projects/100/packages/%d" % package_id
        writer = await _ask(wire, request(b"DELETE", path, _MAINTAINER))
        await eventually(waiting.is_any, within=10)
        await _leave(writer)

    async def is_over() -> bool:
        return _left("finished") - before == 1

    await eventually(is_over, within=5)
    assert len(await query(filled, "SELECT id FROM deletion WHERE package_id = $1", package_id)) == 1


async def test_the_first_download_is_noted_though_its_client_left(
    wire: Wire, filled: Context, database_url: str
) -> None:
    package_id = await publish(filled)
    async with _locked(database_url, _FROM_WRITERS) as waiting:
        writer = await _ask(wire, request(b"GET", _FILE, _MAINTAINER))
        await eventually(waiting.is_any, within=10)
        await _leave(writer)

        assert await waiting.is_any()
    assert _left("cancelled") > 0

    async def is_noted() -> bool:
        (row,) = await query(filled, "SELECT last_downloaded_at FROM package WHERE id = $1", package_id)
        return row["last_downloaded_at"] is not None

    await eventually(is_noted, within=5)
