"""Watching while it happens: states that may never be seen, not even for a moment. Plain SQL and plain paths."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import asyncpg

from tests.system.faults.volume import Volume

AWAY: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the session was ended in the middle of an answer
)
"""How it shows that the database is away."""

_PERIOD_S: Final = 0.4
_SAMPLE: Final = 300
_LONGEST_ANSWER_S: Final = 5

_LIVE: Final = """
    SELECT f.id, f.storage_key FROM package_file f JOIN package p ON p.id = f.package_id
     WHERE f.status = 'default' AND p.status IN ('default', 'hidden', 'deprecated')
       AND ($1::bigint IS NULL OR f.id = $1)
     ORDER BY random() LIMIT $2
"""
_FORGOTTEN: Final = """
    SELECT storage_key FROM witness.file WHERE forgotten_at > clock_timestamp() - interval '5 seconds'
"""
_KEYS: Final = "SELECT package_id, storage_key FROM witness.file WHERE package_id = ANY($1::bigint[])"
_NEW_KEYS: Final = """
    SELECT package_id, storage_key FROM witness.file WHERE made_at > clock_timestamp() - interval '10 seconds'
"""


class Witness:
    """Samples the running yard and keeps what it saw that was wrong."""

    def __init__(self, database: Callable[[], str], volume: Volume) -> None:
        self.samples = 0
        self.missing: list[str] = []
        """Objects that were gone though their file and package were live."""

        self.left_behind: list[str] = []
        """Objects that were still there when their file row was gone."""

        self.told_early: list[str] = []
        """Objects that were still there when `package.destroyed` came."""

        self._database = database
        self._volume = volume
        self._keys: dict[int, set[str]] = {}
        self._to_be_seen: set[int] = set()

    async def install(self) -> None:
        """Put the triggers into the database."""
        connection = await asyncpg.connect(self._database())
        try:
            await connection.execute(Path(__file__).with_name("witness.sql").read_text(encoding="utf-8"))
        finally:
            await connection.close()

    async def watch(self) -> None:
        """Sample until cancelled; a database that is away is waited for."""
        while True:
            with suppress(*AWAY):
                connection = await asyncpg.connect(
                    self._database(), timeout=_LONGEST_ANSWER_S, command_timeout=_LONGEST_ANSWER_S
                )
                try:
                    await self._sample_over(connection)
                finally:
                    connection.terminate()
            await asyncio.sleep(_PERIOD_S)

    def destroyed(self, package_id: int) -> None:
        """Check, on receipt of `package.destroyed`, whether any object of the package is still there."""
        keys = self._keys.pop(package_id, None)
        if keys is None or not self._volume.is_there():
            self._to_be_seen.add(package_id)
        else:
            self.told_early += [f"package {package_id}: {key}" for key in keys if self._is_stored(key)]

    async def finish(self) -> None:
        """Check everything that could not be checked before."""
        connection = await asyncpg.connect(self._database())
        try:
            await self._see_destroyed(connection)
            await self._see_forgotten(connection)
        finally:
            await connection.close()

    async def _sample_over(self, connection: Any) -> None:
        while True:
            for row in await connection.fetch(_NEW_KEYS):
                self._keys.setdefault(row["package_id"], set()).add(row["storage_key"])
            if self._volume.is_there():
                await self._see_live(connection)
                await self._see_forgotten(connection)
                await self._see_destroyed(connection)
                self.samples += 1
            await asyncio.sleep(_PERIOD_S)

    async def _see_live(self, connection: Any) -> None:
        for row in await connection.fetch(_LIVE, None, _SAMPLE):
            if self._is_stored(row["storage_key"]):
                continue
            # It may have been marked and removed since the rows were read, or the disk was taken away.
            still_live = await connection.fetch(_LIVE, row["id"], 1)
            if still_live and not self._is_stored(row["storage_key"]) and self._volume.is_there():
                self.missing.append(f"file {row['id']}: {row['storage_key']}")

    async def _see_forgotten(self, connection: Any) -> None:
        rows = await connection.fetch(_FORGOTTEN)
        self.left_behind += [row["storage_key"] for row in rows if self._is_stored(row["storage_key"])]

    async def _see_destroyed(self, connection: Any) -> None:
        waiting, self._to_be_seen = self._to_be_seen, set()
        try:
            rows: list[Mapping[str, Any]] = await connection.fetch(_KEYS, list(waiting))
        except BaseException:
            self._to_be_seen |= waiting
            raise
        self.told_early += [
            f"package {row['package_id']}: {row['storage_key']}" for row in rows if self._is_stored(row["storage_key"])
        ]

    def _is_stored(self, key: str) -> bool:
        return (self._volume.objects / key).exists()
