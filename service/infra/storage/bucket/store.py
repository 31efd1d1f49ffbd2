"""Objects in a bucket of S3, Google or Azure, or in memory: what `obstore` reaches."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import obstore
from obstore.store import AzureStore, GCSStore, MemoryStore, S3Store
from obstore.store import ObjectStore as Backend
from typing_extensions import override

from service.errors import ObjectMissingError, StorageRefusedError, StorageUnavailableError
from service.infra.storage.bucket.bulk_requests import BulkRequests
from service.infra.storage.bucket.errors import FAILURES, Deed, translated
from service.infra.storage.bucket.part_buffering import PART, first_part, joined, nothing
from service.infra.storage.bucket.removals import Removals
from service.infra.storage.interface import (
    DEFAULT_PATIENCE,
    DELETE_CHUNK,
    MARK,
    READ_CHUNK,
    Check,
    Digests,
    ObjectInfo,
    ObjectStore,
    Patience,
    StoredObject,
)
from service.infra.storage.reading import SILENT, begun

_PARALLEL_PARTS: Final = 3
_LARGEST_COPY: Final = 5 * 1024**3
"""Bytes that S3 copies by itself at most."""
_IN_LOOP: Final = 64 * 1024
"""From this many bytes on, checksums are worth a thread."""
_LONGEST_OWNER: Final = 100
_NO_VERSION: Final = "null"
"""The name in S3 for the version of an object that was written while versioning was suspended."""

if TYPE_CHECKING:
    from obstore import GetOptions


class BucketStore(ObjectStore):
    """A store behind the library's interface."""

    def __init__(
        self, backend: Backend, patience: Patience = DEFAULT_PATIENCE, bulk: BulkRequests | None = None
    ) -> None:
        """Use *bulk* for the removal of several objects, where the bucket serves that."""
        self._backend = backend
        self._patience = patience
        self._removals = Removals(self, backend, within=patience.removal, bulk=bulk)

    @override
    async def put(self, key: str, chunks: AsyncIterable[bytes], *, check: Check | None = None) -> StoredObject:
        digests = Digests()

        async def passing() -> AsyncGenerator[bytes]:
            async for chunk in chunks:
                await _add(digests, chunk)
                yield chunk
            if check:
                # An error within the stream ends a large upload before it can be seen, and its parts are removed.
                check(digests.stored(key))

        async with aclosing(passing()) as stream:
            head = await first_part(stream)
            try:
                if len(head) < PART:
                    await obstore.put_async(self._backend, key, bytes(head), use_multipart=False)
                else:
                    whole = joined(bytes(head), stream)
                    del head
                    await obstore.put_async(self._backend, key, whole, chunk_size=PART, max_concurrency=_PARALLEL_PARTS)
            except FAILURES as error:
                raise self._translated(error, Deed.WRITE) from error
        return digests.stored(key)

    @override
    @asynccontextmanager
    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[AsyncIterator[bytes]]:
        if end is not None and end <= start:
            # No range of HTTP is empty, so we only ask whether the object is there.
            if await self.head(key) is None:
                raise ObjectMissingError("there is no such object")
            yield nothing()
            return
        async with begun(self._read(key, start, end), within=self._patience.first_byte) as pieces:
            yield pieces

    @override
    async def head(self, key: str) -> ObjectInfo | None:
        try:
            async with asyncio.timeout(self._patience.first_byte.total_seconds()):
                return _info(await obstore.head_async(self._backend, key))
        except FileNotFoundError:
            return None
        except TimeoutError as error:
            raise StorageUnavailableError(SILENT) from error
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
        return await self._removals.delete(keys) if keys else {}

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
            raise failure if isinstance(failure, StorageRefusedError) else StorageUnavailableError(str(failure))

    @override
    async def remove_stale(self) -> None:
        """Nothing: the parts of large uploads are for a rule of the bucket's."""

    @override
    async def is_ours(self) -> bool:
        return await self.head(MARK) is not None

    @override
    async def owner(self) -> str:
        try:
            async with self.get(MARK) as pieces:
                return (await anext(pieces, b""))[:_LONGEST_OWNER].decode(errors="replace")
        except ObjectMissingError:
            return ""

    @override
    async def adopt(self, owner: str = "") -> None:
        try:
            await obstore.put_async(self._backend, MARK, owner.encode(), use_multipart=False)
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
                # Versions were kept once; only a new object shows whether they are kept now.
                mark = (await self.owner()).encode()
                version = (await obstore.put_async(self._backend, MARK, mark, use_multipart=False))["version"]
        except FAILURES as error:
            raise self._translated(error, Deed.READ) from error
        return version not in {None, _NO_VERSION}

    @asynccontextmanager
    async def _read(self, key: str, start: int, end: int | None) -> AsyncGenerator[AsyncIterator[bytes]]:
        options: GetOptions = {}
        if end is not None:
            options["range"] = (start, end)
        elif start:
            options["range"] = {"offset": start}
        try:
            result = await obstore.get_async(self._backend, key, options=options)
        except FAILURES as error:
            raise translated(error, Deed.READ, backend=self._backend) from error
        yield self._pieces(result.stream(min_chunk_size=READ_CHUNK))

    async def _pieces(self, stream: "obstore.BytesStream") -> AsyncIterator[bytes]:
        try:
            async for chunk in stream:
                yield bytes(chunk)
        except FAILURES as error:
            raise self._translated(error, Deed.READ) from error

    def _translated(self, error: Exception, deed: Deed) -> Exception:
        if isinstance(error, FileNotFoundError):
            # This is not about one object: S3 says so of the bucket, and a proxy of everything.
            return StorageUnavailableError("the bucket is not there")
        return translated(error, deed, backend=self._backend)


def memory_store() -> BucketStore:
    """Open a store that forgets everything with the process."""
    return BucketStore(MemoryStore())


async def _add(digests: Digests, chunk: bytes) -> None:
    if len(chunk) < _IN_LOOP:
        digests.add(chunk)
    else:
        await asyncio.to_thread(digests.add, chunk)


def _info(found: "obstore.ObjectMeta") -> ObjectInfo:
    return ObjectInfo(found["path"], found["size"], found["last_modified"])
