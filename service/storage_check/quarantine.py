"""Taking objects aside that no file refers to, putting them back, removing them at last.

An object is noted first, and moved after that is committed. From then on a trigger refuses file rows that refer to it,
so an object that an upload may still need is never touched. If the process is killed in between, the next repair moves
the noted objects.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import timedelta
from typing import Final

from service.concurrency import bounded_map
from service.errors import ObjectMissingError, PackyardError
from service.infra.postgres.database import Database
from service.infra.storage.interface import DELETE_CHUNK, ObjectInfo, ObjectStore
from service.storage_check import quarantine_rows
from service.storage_check.findings import OBJECTS, QUARANTINE, is_key
from service.storage_check.quarantine_rows import Quarantined

_PORTION: Final = 100
"""How many are noted in a transaction: each takes a lock of the server's."""
_MOVES: Final = 8


class Quarantine:
    """The place for objects without a file; they are kept there for a while in case something needs them."""

    def __init__(self, database: Database, store: ObjectStore) -> None:
        """Take the database and the store of this instance."""
        self._database = database
        self._store = store

    async def take(self, objects: Mapping[str, int]) -> dict[str, str | None]:
        """Take objects (key -> bytes) aside; return those that were, with what stopped the move, None if nothing.

        Those that a file refers to by now are left out.
        """
        keys = sorted(objects)
        taken: dict[str, str | None] = {}
        for start in range(0, len(keys), _PORTION):
            some = {key: objects[key] for key in keys[start : start + _PORTION]}
            async with self._database.transaction() as connection:
                noted = await quarantine_rows.note(connection, some)
            taken |= await self._move(sorted(noted))
        return taken

    async def finish(self) -> int:
        """Move what was noted, and perhaps not moved; return how much that was."""
        position = ""
        count = 0
        while True:
            async with self._database.connection() as connection:
                found = await quarantine_rows.half_done(connection, position, limit=_PORTION)
            if not found:
                return count
            position = found[-1].key
            failures = await self._move([one.key for one in found])
            count += sum(failure is None for failure in failures.values())

    async def put_back(self, key: str) -> None:
        """Give a file back the object that it refers to.

        Raises:
            PackyardError: that does not work out.
        """
        await self._store.move(QUARANTINE + key, key)
        async with self._database.connection() as connection:
            await quarantine_rows.delete(connection, [key])

    async def adopt_unknown(self, piece: Sequence[ObjectInfo]) -> None:
        """Note what lies in quarantine without a note, as after a return to an older state of the database."""
        there = {key: found.size for found in piece if is_key(key := found.key.removeprefix(QUARANTINE))}
        if not there:
            return
        async with self._database.connection() as connection:
            known = await quarantine_rows.known(connection, list(there))
            unknown = {key: size for key, size in there.items() if key not in known}
            if unknown:
                await quarantine_rows.adopt(connection, unknown)

    async def remove_expired(self, retention: timedelta) -> AsyncGenerator[tuple[Quarantined, str | None]]:
        """Remove for good what has been there for that long; give each, with what stopped it, None if nothing."""
        position = ""
        while True:
            async with self._database.connection() as connection:
                found = await quarantine_rows.expired(connection, position, retention=retention, limit=DELETE_CHUNK)
            if not found:
                return
            position = found[-1].key
            failures = await self._store.delete([QUARANTINE + one.key for one in found])
            gone = [one.key for one in found if QUARANTINE + one.key not in failures]
            async with self._database.connection() as connection:
                await quarantine_rows.delete(connection, gone)
            for one in found:
                failure = failures.get(QUARANTINE + one.key)
                yield one, str(failure) if failure else None

    async def _move(self, keys: Sequence[str]) -> dict[str, str | None]:
        failures = await bounded_map(keys, self._move_one, limit=_MOVES)
        async with self._database.connection() as connection:
            await quarantine_rows.note_moved(connection, [key for key, reason in failures.items() if reason is None])
        return failures

    async def _move_one(self, key: str) -> str | None:
        if not key.startswith(OBJECTS):
            raise ValueError(f"{key} is not one of our objects")
        try:
            await self._store.move(key, QUARANTINE + key)
        except ObjectMissingError:
            # A process moved it and was killed before noting that; or its upload removed it; or it cannot be put there.
            return "there is something in its way in quarantine" if await self._store.head(key) else None
        except PackyardError as error:
            return str(error)
        return None
