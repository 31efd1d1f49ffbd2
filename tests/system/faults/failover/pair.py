"""A PostgreSQL and its standby on loopback, which change their parts with each failover."""

import asyncio
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
import psutil

from service.infra.postgres.migrations.run import migrate
from tests.system.faults.failover.left_out import LeftOut
from workers.stack.postgres import Postgres, find_programs
from workers.stack.processes import inherited
from workers.stack.state import StackState

_PATIENCE_S: Final = 60
_PROMOTED_WITHIN_S: Final = 50
"""A standby that was killed first replays its log; on a busy machine that took more than 30 s."""

_GLANCE_S: Final = 0.1
_TABLES: Final = """
    SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) AS name FROM pg_tables
     WHERE schemaname IN ('public', 'witness') ORDER BY 1
"""

_CONTENTS: Final = (
    "SELECT count(*) AS rows, coalesce(sum(hashtext(t::text)::bigint), 0)::bigint AS total FROM {table} t"
)


class Pair:
    """Two servers with the same data; `primary` is the one that was promoted last."""

    def __init__(self, folder: Path, left_out: frozenset[LeftOut] = frozenset()) -> None:
        """Keep both below *folder*."""
        state = StackState(folder / "pair.json")
        self.primary, self.standby = (
            Postgres(folder, state, durable=False, name=f"postgres-{number}") for number in (1, 2)
        )
        self._folder = folder
        self._is_synchronous = LeftOut.STANDBY_NAMES not in left_out
        self._commits = "local" if LeftOut.COMMIT in left_out else "on"
        self._receivers: list[psutil.Process] = []
        hosts = ",".join(urlsplit(server.url()).netloc.rpartition("@")[2] for server in (self.primary, self.standby))
        parts = urlsplit(self.primary.url())
        account = parts.netloc.rpartition("@")[0]
        self.url: Final = parts._replace(netloc=f"{account}@{hosts}", query="target_session_attrs=read-write").geturl()
        """The address with both hosts, in an order that stays: the first is not always the primary."""

    async def start(self) -> None:
        """Start the primary, make the schema, and let the standby follow."""
        await self.primary.start()
        await asyncio.to_thread(migrate, self.primary.url())
        await self.follow()

    async def follow(self) -> None:
        """Make the standby anew as a copy of the primary, which waits for it from then on at each commit."""
        await asyncio.to_thread(self._copy)
        await self.standby.start()
        names = "*" if self._is_synchronous else ""
        await _execute(
            self.primary,
            f"ALTER SYSTEM SET synchronous_standby_names = '{names}'",
            f"ALTER SYSTEM SET synchronous_commit = '{self._commits}'",
            "SELECT pg_reload_conf()",
        )
        wanted = "sync" if self._is_synchronous else "async"
        async with asyncio.timeout(_PATIENCE_S):
            while await _value(self.primary, "SELECT max(sync_state) FROM pg_stat_replication") != wanted:
                await asyncio.sleep(_GLANCE_S)

    async def lag(self) -> None:
        """Let the standby receive nothing from now on, until it is promoted."""
        assert self.standby.child.pid is not None
        children = psutil.Process(self.standby.child.pid).children()
        self._receivers = list(filter(_receives, children))
        assert self._receivers, "the standby receives nothing anyway"
        for receiver in self._receivers:
            receiver.suspend()

    async def promote(self) -> None:
        """Let the standby of a dead primary take its part; return when it takes writes."""
        if self._receivers:
            # Resumed, it would read the bytes that arrived while it was suspended.
            for receiver in self._receivers:
                with suppress(psutil.NoSuchProcess):
                    receiver.kill()
            self._receivers = []
            await self.standby.kill()
            await self.standby.start()
        assert await _value(self.standby, f"SELECT pg_promote(true, {_PROMOTED_WITHIN_S})"), "it still replays"
        self.primary, self.standby = self.standby, self.primary

    async def return_as_it_was(self) -> None:
        """Start the old primary on its old data: it takes writes, and waits for no standby."""
        # With the setting that made it wait, each commit to it would hang, and this would show less.
        with (self._data / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            file.write("synchronous_standby_names = ''\n")
        await self.standby.start()
        assert not await _value(self.standby, "SELECT pg_is_in_recovery()")

    async def contents_of_old(self) -> dict[str, tuple[int, int]]:
        """Return how many rows each table of the old primary has, and a sum over all that is in them."""
        connection = await asyncpg.connect(self.standby.url(), timeout=_PATIENCE_S)
        try:
            names = [row["name"] for row in await connection.fetch(_TABLES)]
            return {name: await _contents(connection, name) for name in names}
        finally:
            await connection.close()

    def primary_url(self) -> str:
        """Return the address of the primary alone."""
        return self.primary.url()

    async def kill(self) -> None:
        """Kill both."""
        await self.primary.kill()
        await self.standby.kill()

    @property
    def _data(self) -> Path:
        return self._folder / self.standby.name / "data"

    def _copy(self) -> None:
        self._data.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.rmtree(self._data, ignore_errors=True)
        account = self.standby.child.program.account
        if account:
            os.chown(self._data.parent, account.uid, account.gid)
        subprocess.run(
            [
                *(find_programs() / "pg_basebackup", "--pgdata", self._data, "--dbname", self.primary.url("postgres")),
                *("--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"),
            ],
            env=inherited(),
            check=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )


def _receives(process: psutil.Process) -> bool:
    """Return whether it is the process that receives for a standby; one that has ended does not."""
    with suppress(psutil.NoSuchProcess):
        return "walreceiver" in " ".join(process.cmdline())
    return False


async def _contents(connection: "asyncpg.Connection[asyncpg.Record]", table: str) -> tuple[int, int]:
    rows = await connection.fetchrow(_CONTENTS.format(table=table))
    assert rows is not None
    return rows["rows"], rows["total"]


async def _execute(server: Postgres, *statements: str) -> None:
    connection = await asyncpg.connect(server.url(), timeout=_PATIENCE_S)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _value(server: Postgres, sql: str) -> Any:
    connection = await asyncpg.connect(server.url(), timeout=_PATIENCE_S)
    try:
        return await connection.fetchval(sql, timeout=_PATIENCE_S)
    finally:
        await connection.close()
