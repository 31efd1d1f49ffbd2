"""A failover of the database, without load: which of two servers that both take writes is used."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from service.infra.postgres.database import Database
from service.infra.postgres.pool import open_database
from service.infra.postgres.sessions import connecting
from service.infra.postgres.sessions.connecting import connect
from service.infra.postgres.sessions.purposes import Purpose
from service.infra.postgres.sessions.timelines import Timelines
from tests.system.faults.failover.left_out import LeftOut
from tests.system.faults.failover.pair import Pair

_PORT = "SELECT current_setting('port')"
_WAITS_S = 3
_PATIENCE_S = 30


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncGenerator[Pair]:
    """A primary that is the first in the address, and a standby that each commit waits for."""
    found = Pair(tmp_path)
    try:
        await found.start()
        yield found
    finally:
        await found.kill()


async def _port(database: Database) -> str:
    async with database.connection() as connection:
        return str(await connection.fetchval(_PORT))


async def _await_row(pair: Pair) -> None:
    """Return when the standby has the first row."""
    standby = await asyncpg.connect(pair.standby.url())
    async with asyncio.timeout(_PATIENCE_S):
        while not await standby.fetchval("SELECT to_regclass('seen')") or not await standby.fetch("SELECT FROM seen"):
            await asyncio.sleep(0.1)
    await standby.close()


async def test_an_old_primary_that_takes_writes_again_is_not_used(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (server.url().rpartition(":")[2].partition("/")[0] for server in (pair.primary, pair.standby))
    async with open_database(pair.url, size=1) as database:
        assert await _port(database) == old
        await pair.primary.kill()
        await pair.promote()
        await pair.return_as_it_was()

        # A process that has seen nothing of it, then the one that has lost its sessions.
        monkeypatch.setattr(connecting, "SEEN", Timelines())
        async with open_database(pair.url, size=1) as another:
            assert await _port(another) == new
        assert await _port(database) == new
        kept = await connect(pair.url, Purpose.LOCK)
        assert (await kept.fetchval(_PORT), f":{new}/" in kept.address) == (new, True)
        await kept.close()


@pytest.mark.parametrize(
    ("left_out", "returns"),
    [((), False), ((LeftOut.STANDBY_NAMES,), True), ((LeftOut.COMMIT,), True)],
    ids=["nothing", "synchronous_standby_names", "synchronous_commit"],
)
async def test_a_commit_returns_before_the_standby_has_it_only_where_a_setting_is_left_out(
    tmp_path: Path,
    left_out: tuple[LeftOut, ...],
    returns: bool,  # noqa: FBT001 - a parameter
) -> None:
    pair = Pair(tmp_path, frozenset(left_out))
    try:
        await pair.start()
        session = await asyncpg.connect(pair.primary.url())
        await session.execute("CREATE TABLE seen (number int)")
        await session.execute("INSERT INTO seen VALUES (1)")
        await _await_row(pair)
        await pair.lag()
        returned = False
        with suppress(TimeoutError):
            async with asyncio.timeout(_WAITS_S):
                await session.execute("INSERT INTO seen VALUES (2)")
            returned = True
        await pair.primary.kill()
        await pair.promote()
        after = await asyncpg.connect(pair.primary.url())
        numbers = [row["number"] for row in await after.fetch("SELECT number FROM seen")]
        await after.close()
    finally:
        await pair.kill()

    assert (returned, numbers) == (returns, [1])
