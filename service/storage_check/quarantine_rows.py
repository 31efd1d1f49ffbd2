"""Objects that were taken aside."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from service.infra.postgres.database import Connection, execute, fetch
from service.infra.postgres.records import row_reader


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An object in quarantine: the key that it had, and its size in bytes."""

    key: str
    size: int


_quarantined: Final = row_reader(Quarantined)


async def note(connection: Connection, objects: Mapping[str, int]) -> set[str]:
    """Note, within a transaction, that these objects (key -> bytes) are to be taken aside; return which.

    Not those that a file refers to. From the commit on, no file can refer to the others any more.
    """
    await fetch(connection, "lock_import")
    await fetch(connection, "lock_keys", keys=list(objects))
    rows = await fetch(connection, "note_quarantined", keys=list(objects), sizes=list(objects.values()))
    return {row["storage_key"] for row in rows}


async def adopt(connection: Connection, objects: Mapping[str, int]) -> None:
    """Note that these are in quarantine, from now on."""
    await execute(connection, "adopt_quarantined", keys=list(objects), sizes=list(objects.values()))


async def note_moved(connection: Connection, keys: Collection[str]) -> None:
    """Note that these are in quarantine since now."""
    await execute(connection, "note_moved", keys=list(keys))


async def delete(connection: Connection, keys: Collection[str]) -> None:
    """Note that these are in quarantine no more."""
    await execute(connection, "delete_quarantined", keys=list(keys))


async def half_done(connection: Connection, position: str, *, limit: int) -> list[Quarantined]:
    """Return what was noted, but perhaps not moved, by key."""
    rows = await fetch(connection, "half_quarantined", position=position, limit=limit)
    return [_quarantined(row) for row in rows]


async def expired(connection: Connection, position: str, *, retention: timedelta, limit: int) -> list[Quarantined]:
    """Return what has been in quarantine for longer than that and no file refers to, by key."""
    rows = await fetch(connection, "quarantined_long_ago", position=position, retention=retention, limit=limit)
    return [_quarantined(row) for row in rows]


async def known(connection: Connection, keys: Collection[str]) -> set[str]:
    """Return those of the keys that are noted."""
    return {row["storage_key"] for row in await fetch(connection, "find_quarantined", keys=list(keys))}
