"""A failover of the database, without load: which of two servers that both take writes is used."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from service.infra.postgres.database import Database
from service.infra.postgres.pool import open_database
from service.infra.postgres.sessions import connecting
from service.infra.postgres.sessions.connecting import connect
from service.infra.postgres.sessions.purposes import Purpose
from service.infra.postgres.sessions.timelines import Timelines
from tests.system.faults.failover.pair import Pair

_PORT = "SELECT current_setting('port')"


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncGenerator[Pair]:
    """A primary that is the first in the address, and a standby that each commit waits for."""
    found = Pair(tmp_path, is_synchronous=True)
    try:
        await found.start()
        yield found
    finally:
        await found.kill()


async def _port(database: Database) -> str:
    async with database.connection() as connection:
        return str(await connection.fetchval(_PORT))


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
