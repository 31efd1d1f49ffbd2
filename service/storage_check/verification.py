"""Comparing the checksums of all objects with those of their files; what was compared is not compared again."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from service.concurrency import bounded_map
from service.errors import ObjectMissingError, StorageRefusedError, StorageUnavailableError
from service.infra.postgres.database import Database
from service.infra.storage.interface import ObjectStore
from service.storage_check import rows as checking_rows
from service.storage_check.rows import FileObject, Reading

_PAGE: Final = 200
_READS: Final = 4
_TRIES: Final = 3
_PAUSE_S: Final = 0.5
_ABSENT: Final = Reading()


@dataclass(frozen=True, slots=True)
class Verified:
    """How far checksums were compared: up to which key, and of how many objects and bytes in this step."""

    position: str
    objects: int
    bytes: int
    damaged: int


async def verify(database: Database, store: ObjectStore, *, anew: bool = False) -> AsyncGenerator[Verified]:
    """Compare on from where the last comparison was stopped, if it was, and not *anew*; what is found is kept.

    An object that is not there is none of these findings: it is one of the comparison of keys.
    """
    async with database.connection() as connection:
        position, verified = await checking_rows.verification(connection)
        if anew or position is None:
            position, verified = "", 0
            await checking_rows.delete_damaged(connection)
    while True:
        async with database.connection() as connection:
            page = await checking_rows.checksums_behind(connection, position, limit=_PAGE)
        if not page:
            break
        step = await _verify_page(database, store, page)
        position, verified = step.position, verified + step.objects
        async with database.connection() as connection:
            await checking_rows.note_verified(connection, position, verified=verified)
        yield step
    async with database.connection() as connection:
        await checking_rows.note_verified(connection, None, verified=verified)


async def _verify_page(database: Database, store: ObjectStore, page: list[tuple[FileObject, bytes]]) -> Verified:
    expected = {file.key: checksum for file, checksum in page}
    found = await bounded_map(expected, lambda key: _read(store, key), limit=_READS)
    compared = {key: reading for key, reading in found.items() if reading != _ABSENT}
    damaged = {key: reading for key, reading in compared.items() if reading.sha256 != expected[key]}
    if damaged:
        async with database.connection() as connection:
            await checking_rows.note_damaged(connection, damaged)
    size = sum(file.size for file, _ in page if file.key in compared)
    return Verified(page[-1][0].key, objects=len(compared), bytes=size, damaged=len(damaged))


async def _read(store: ObjectStore, key: str) -> Reading:
    for tries_left in reversed(range(_TRIES)):
        try:
            return await _checksum(store, key)
        except (StorageUnavailableError, StorageRefusedError) as error:
            if tries_left:
                await asyncio.sleep(_PAUSE_S)
                continue
            # An object that cannot be read, as on a disk with a bad sector, is a finding; a store that is away is none.
            if not await store.is_ours():
                raise
            return Reading(failure=str(error))
    raise AssertionError


async def _checksum(store: ObjectStore, key: str) -> Reading:
    digest = hashlib.sha256()
    try:
        async with store.get(key) as pieces:
            async for piece in pieces:
                digest.update(piece)
    except ObjectMissingError:
        return _ABSENT
    return Reading(digest.digest())
