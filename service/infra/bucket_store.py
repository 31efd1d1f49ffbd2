"""Objects in a bucket of S3, Google or Azure, or in memory: what `obstore` reaches."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import Final

import obstore
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store
from obstore.store import ObjectStore as Backend
from typing_extensions import override

from service.errors import ObjectMissingError, StorageUnavailableError
from service.infra.bucket_errors import FAILURES, Deed, is_of_one_key, translated
from service.infra.storage import (
    DELETE_CHUNK,
    MARK,
    READ_CHUNK,
    Check,
    Digests,
    ObjectInfo,
    ObjectStore,
    StoredObject,
)

_PART: Final = 8 * 1024 * 1024
"""Bytes of one part of a large object: S3 takes at most 10,000 of them, which makes 78 GiB."""
_PARTS_AT_ONCE: Final = 3
_LARGEST_COPY: Final = 5 * 1024**3
"""Bytes that S3 copies by itself at most."""
_IN_LOOP: Final = 64 * 1024
"""From this many bytes on, checksums are worth a thread."""
_SINGLY_AT_ONCE: Final = 8
_NO_VERSION: Final = "null"
"""What S3 calls the version of an object that was written while the bucket kept none, but had before."""


class BucketStore(ObjectStore):
    """A store behind the library's interface."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @override
    async def put(self, key: str, chunks: AsyncIterable[bytes], *, check: Check | None = None) -> StoredObject:
        digests = Digests()

        async def passing() -> AsyncGenerator[bytes]:
            async for chunk in chunks:
                await _add(digests, chunk)
                yield chunk
            if check:
                # What is raised within the stream ends a large upload before it can be seen, and its parts go.
                check(digests.stored(key))

        async with aclosing(passing()) as stream:
            head = await _first_part(stream)
            try:
                if len(head) < _PART:
                    await obstore.put_async(self._backend, key, bytes(head), use_multipart=False)
                else:
                    whole = _joined(bytes(head), stream)
                    del head
                    await obstore.put_async(self._backend, key, whole, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE)
            except FAILURES as error:
                raise self._translated(error, Deed.WRITE) from error
        return digests.stored(key)

    @override
    @asynccontextmanager
    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[AsyncIterator[bytes]]:
        if end is not None and end <= start:
            # No range of HTTP is empty, so there is nothing to ask for, but whether the object is there.
            if await self.head(key) is None:
                raise ObjectMissingError("there is no such object")
            yield _nothing()
            return
        try:
            if end is not None:
                result = await obstore.get_async(self._backend, key, options={"range": (start, end)})
            elif start:
                result = await obstore.get_async(self._backend, key, options={"range": {"offset": start}})
            else:
                result = await obstore.get_async(self._backend, key)
        except FAILURES as error:
            raise translated(error, Deed.READ, backend=self._backend) from error
        yield self._pieces(result.stream(min_chunk_size=READ_CHUNK))

    @override
    async def head(self, key: str) -> ObjectInfo | None:
        try:
            return _info(await obstore.head_async(self._backend, key))
        except FileNotFoundError:
            return None
        except FAILURES as error:
            raise self._translated(error, Deed.READ) from error

    @override
    async def list(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        try:
            async for piece in obstore.list(self._backend, prefix.strip("/") or None, chunk_size=DELETE_CHUNK):
                yield [_info(found) for found in piece if found["path"] != MARK]
        except FAILURES as error:
            raise self._translated(error, Deed.LIST) from error

    @override
    async def delete(self, keys: Sequence[str]) -> Mapping[str, Exception]:
        if not keys:
            return {}
        try:
            await obstore.delete_async(self._backend, list(keys))
        except FAILURES as error:
            if isinstance(self._backend, S3Store) and not is_of_one_key(error):
                return self._refused_as_a_whole(keys, error)
            # Of the others nothing is said: they may be gone, or never have been looked at.
            return await _Singly(self, self._backend, keys).delete()
        return {}

    @override
    async def move(self, key: str, target: str) -> None:
        found = await self.head(key)
        if found is None:
            raise ObjectMissingError("there is no such object")
        if found.size <= _LARGEST_COPY:
            try:
                await obstore.copy_async(self._backend, key, target)
            except FAILURES as error:
                raise self._translated(error, Deed.WRITE) from error
        else:
            async with self.get(key) as pieces:
                await self.put(target, pieces)
        for failure in (await self.delete([key])).values():
            raise failure

    @override
    async def remove_stale(self) -> None:
        """Nothing: the parts of large uploads are for a rule of the bucket's."""

    @override
    async def is_ours(self) -> bool:
        return await self.head(MARK) is not None

    @override
    async def adopt(self) -> None:
        try:
            await obstore.put_async(self._backend, MARK, b"", use_multipart=False)
        except FAILURES as error:
            raise self._translated(error, Deed.WRITE) from error

    @override
    async def address(self, key: str, *, valid_for: timedelta) -> str | None:
        if isinstance(self._backend, S3Store | GCSStore | AzureStore):
            try:
                return await obstore.sign_async(self._backend, "GET", key, valid_for)
            except FAILURES as error:
                raise self._translated(error, Deed.READ) from error
        return None

    @override
    async def keeps_removed(self) -> bool:
        if not isinstance(self._backend, S3Store | AzureStore):
            return False
        try:
            version = (await obstore.head_async(self._backend, MARK))["version"]
            if version is not None:
                # Versions were kept once; whether they are now tells only something that is written now.
                version = (await obstore.put_async(self._backend, MARK, b"", use_multipart=False))["version"]
        except FAILURES as error:
            raise self._translated(error, Deed.READ) from error
        return version not in {None, _NO_VERSION}

    def _refused_as_a_whole(self, keys: Sequence[str], error: Exception) -> Mapping[str, Exception]:
        failure = self._translated(error, Deed.DELETE)
        if isinstance(failure, StorageUnavailableError):
            raise failure from error
        return dict.fromkeys(keys, failure)

    async def _pieces(self, stream: "obstore.BytesStream") -> AsyncIterator[bytes]:
        try:
            async for chunk in stream:
                yield bytes(chunk)
        except FAILURES as error:
            raise self._translated(error, Deed.READ) from error

    def _translated(self, error: Exception, deed: Deed) -> Exception:
        if isinstance(error, FileNotFoundError):
            # Not of one object: S3 says so of the bucket, and a proxy of everything.
            return StorageUnavailableError("the bucket is not there")
        return translated(error, deed, backend=self._backend)


class _Singly:
    """The removal of a chunk key by key, which ends early when the store answers nothing of use."""

    def __init__(self, store: BucketStore, backend: Backend, keys: Sequence[str]) -> None:
        self._store = store
        self._backend = backend
        self._waiting = iter(keys)
        self._failures: dict[str, Exception] = {}
        self._missing: list[str] = []
        self._in_vain = 0

    async def delete(self) -> Mapping[str, Exception]:
        async with asyncio.TaskGroup() as group:
            for _ in range(_SINGLY_AT_ONCE):
                group.create_task(self._delete_next())
        if self._missing:
            await self._verify_missing()
        return self._failures

    async def _delete_next(self) -> None:
        for key in self._waiting:
            if self._in_vain >= _SINGLY_AT_ONCE:
                self._failures[key] = StorageUnavailableError("not tried, since the object store fails again and again")
                continue
            try:
                await obstore.delete_async(self._backend, key)
                self._in_vain = 0
            except FileNotFoundError:
                self._missing.append(key)
            except FAILURES as error:
                self._failures[key] = translated(error, Deed.DELETE, backend=self._backend)
                self._in_vain += not is_of_one_key(error)

    async def _verify_missing(self) -> None:
        # Whoever says "not there" may be something in front of our store, or an empty one in its place: only between
        # two looks at the mark is an object believed to be gone.
        away = StorageUnavailableError("the objects of this yard are not there")
        if not await self._store.is_ours():
            self._failures |= dict.fromkeys(self._missing, away)
            return
        waiting = iter(self._missing)

        async def look_at_next() -> None:
            for key in waiting:
                if await self._store.head(key):
                    self._failures[key] = away

        async with asyncio.TaskGroup() as group:
            for _ in range(_SINGLY_AT_ONCE):
                group.create_task(look_at_next())
        if not await self._store.is_ours():
            self._failures |= dict.fromkeys(self._missing, away)


def memory_store() -> BucketStore:
    """Open a store that forgets everything with the process."""
    return BucketStore(MemoryStore())


async def _first_part(stream: AsyncIterator[bytes]) -> bytearray:
    """Read until there is a part, or no more."""
    head = bytearray()
    async for chunk in stream:
        head += chunk
        if len(head) >= _PART:
            break
    return head


async def _joined(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    del head
    async for chunk in rest:
        yield chunk


async def _nothing() -> AsyncIterator[bytes]:
    for chunk in list[bytes]():
        yield chunk


async def _add(digests: Digests, chunk: bytes) -> None:
    if len(chunk) < _IN_LOOP:
        digests.add(chunk)
    else:
        await asyncio.to_thread(digests.add, chunk)


def _info(found: "obstore.ObjectMeta") -> ObjectInfo:
    return ObjectInfo(found["path"], found["size"], found["last_modified"])
