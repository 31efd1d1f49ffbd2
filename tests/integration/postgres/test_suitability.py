"""Requirements on a database, and on the way to it. Others are refused at the start, in one line with the remedy."""

import asyncio
import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from service.context import open_context
from service.errors import UnsuitableDatabaseError
from service.infra.postgres.migrations.run import migrate
from service.infra.postgres.pool import open_database
from service.infra.postgres.schema_version import wait_for_schema
from service.infra.postgres.sessions.advisory_locks import ProcessLock
from service.settings import Settings
from tests.support.catalogue import delete, fill_directory, publish, query, restore
from tests.support.poolers import pooler_before
from tests.support.servers import Servers, database_in

_IN_SESSION_MODE = r"^PACKYARD_DATABASE_URL: [^\n]+ set its pool_mode to session, or name PostgreSQL itself$"


def _by(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(url)})


async def test_a_pooler_that_hands_sessions_round_is_refused_by_every_process_and_by_migrate(
    settings: Settings, tmp_path: Path
) -> None:
    async with pooler_before(settings.database_url.get_secret_value(), tmp_path, mode="transaction") as url:
        # Another process has prepared its statements on those sessions already.
        other = await asyncpg.connect(url)
        await other.fetch("SELECT $1::int", 1)

        with pytest.raises(UnsuitableDatabaseError, match=_IN_SESSION_MODE):
            async with open_context(_by(settings, url)):
                pytest.fail("it started")
        with pytest.raises(UnsuitableDatabaseError, match=_IN_SESSION_MODE):
            await asyncio.to_thread(migrate, url)
        async with asyncio.timeout(5):
            with pytest.raises(UnsuitableDatabaseError, match=_IN_SESSION_MODE):
                await wait_for_schema(url, patience=timedelta(minutes=10))
        await other.close()


async def test_all_works_behind_a_pooler_in_session_mode(settings: Settings, tmp_path: Path) -> None:
    async with pooler_before(settings.database_url.get_secret_value(), tmp_path, mode="session") as url:
        await asyncio.to_thread(migrate, url)
        async with open_context(_by(settings, url)) as context, open_context(_by(settings, url)) as other:
            await fill_directory(context)
            async with (
                context.database.lock(ProcessLock.RELAY) as ours,
                other.database.lock(ProcessLock.RELAY) as theirs,
                context.database.listen("packyard_outbox") as listening,
            ):
                assert (await ours.acquire(), await theirs.acquire()) == (True, False)
                deletion = await delete(other, await publish(other))
                async with asyncio.timeout(5):
                    await listening.heard.wait()
            restored = await restore(context, deletion.id)
            assert restored.state == "restored"
            (row,) = await query(context, "SELECT current_setting('application_name') AS name")
            assert row["name"] == "packyard"


@pytest.fixture(params=["SQL_ASCII", "LATIN1"])
async def foreign_url(request: pytest.FixtureRequest, servers: Servers) -> AsyncGenerator[str]:
    """An empty database in another encoding."""
    name = f"test_{uuid4().hex}"
    owner: Any = await asyncpg.connect(servers.database_url)
    await owner.execute(
        f"CREATE DATABASE {name} ENCODING '{request.param}' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
    )
    yield database_in(servers.database_url, name)
    await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await owner.close()


async def test_a_database_in_another_encoding_is_refused(foreign_url: str) -> None:
    line = re.compile(r"^PACKYARD_DATABASE_URL: the encoding of the database is [A-Z0-9_]+, UTF8 is needed: [^\n]+$")

    with pytest.raises(UnsuitableDatabaseError, match=line):
        await asyncio.to_thread(migrate, foreign_url)
    with pytest.raises(UnsuitableDatabaseError, match=line):
        async with open_database(foreign_url, size=1):
            pytest.fail("it started")
