"""Stores around another: one that counts and fails, one in which something happens after each upload."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from typing_extensions import override

from service.errors import StorageUnavailableError
from service.infra.storage.interface import Check, ObjectInfo, ObjectStore, StoredObject


class WrappedStore(ObjectStore):
    """Another store, as it is."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @override
    @asynccontextmanager
    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[AsyncIterator[bytes]]:
        async with self._store.get(key, start=start, end=end) as pieces:
            yield pieces

    @override
    async def put(self, key: str, chunks: AsyncIterable[bytes], *, check: Check | None = None) -> StoredObject:
        return await self._store.put(key, chunks, check=check)

    @override
    async def head(self, key: str) -> ObjectInfo | None:
        return await self._store.head(key)

    @override
    async def list(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        async for piece in self._store.list(prefix):
            yield piece

    @override
    async def delete(self, keys: Sequence[str]) -> Mapping[str, Exception]:
        return await self._store.delete(keys)

    @override
    async def move(self, key: str, target: str) -> None:
        await self._store.move(key, target)

    @override
    async def remove_stale(self) -> None:
        await self._store.remove_stale()

    @override
    async def is_ours(self) -> bool:
        return await self._store.is_ours()

    @override
    async def owner(self) -> str:
        return await self._store.owner()

    @override
    async def adopt(self, owner: str = "") -> None:
        await self._store.adopt(owner)

    @override
    async def address(self, key: str, *, valid_for: timedelta) -> str | None:
        return await self._store.address(key, valid_for=valid_for)

    @override
    async def keeps_removed(self) -> bool:
        return await self._store.keeps_removed()


class CountingStore(WrappedStore):
    """Another store, with notes of the keys that were read; it fails after a while."""

    def __init__(self, store: ObjectStore, *, fail_after: int | None = None) -> None:
        super().__init__(store)
        self.fail_after = fail_after
        self.broken: set[str] = set()
        """Objects that cannot be read."""
        self.gets: list[str] = []

    @override
    @asynccontextmanager
    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[AsyncIterator[bytes]]:
        self._fail_when_away()
        if key in self.broken:
            raise StorageUnavailableError("input/output error")
        self.gets.append(key)
        async with self._store.get(key, start=start, end=end) as pieces:
            yield pieces

    @override
    async def is_ours(self) -> bool:
        self._fail_when_away()
        return await super().is_ours()

    def _fail_when_away(self) -> None:
        if self.fail_after is not None and len(self.gets) >= self.fail_after:
            raise StorageUnavailableError("the store is away")


class StoreWithPause(WrappedStore):
    """Another store, with something in between the end of an upload and all that follows."""

    def __init__(self, store: ObjectStore, pause: Callable[[StoredObject], Awaitable[None]]) -> None:
        super().__init__(store)
        self._pause = pause

    @override
    async def put(self, key: str, chunks: AsyncIterable[bytes], *, check: Check | None = None) -> StoredObject:
        stored = await super().put(key, chunks, check=check)
        await self._pause(stored)
        return stored
