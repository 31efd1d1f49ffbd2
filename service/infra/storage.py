"""The object store: a folder, S3, Google or Azure behind one small interface."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, MemoryStore, from_url
from obstore.store import ObjectStore as Backend
from uuid_utils import uuid7

from service.errors import ObjectMissingError, StartError, StorageRefusedError, StorageUnavailableError

DELETE_CHUNK: Final = 1_000
"""How many keys one bulk delete takes at most (S3's limit)."""

_READ_CHUNK: Final = 256 * 1024
_SINGLY: Final = 8
_MARK: Final = ".packyard"
"""What tells our store from an empty one: a volume that is not mounted, a bucket that is not there."""


@dataclass(slots=True)
class Digests:
    """Size and checksums of a stream, computed while it passes."""

    size: int = 0
    md5: "hashlib._Hash" = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))
    sha1: "hashlib._Hash" = field(default_factory=lambda: hashlib.sha1(usedforsecurity=False))
    sha256: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, chunk: bytes) -> None:
        """Take one more chunk into account."""
        self.size += len(chunk)
        self.md5.update(chunk)
        self.sha1.update(chunk)
        self.sha256.update(chunk)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """What was stored: its key, size in bytes, and raw checksums."""

    key: str
    size: int
    md5: bytes
    sha1: bytes
    sha256: bytes


def new_key(project_id: int) -> str:
    """Make a key that was never used before and never will be again."""
    name = uuid7().hex
    return f"projects/{project_id}/{name[-2:]}/{name}"


class ObjectStore:
    """Puts, gets and removes objects by key; knows nothing of packages.

    Every method raises StorageUnavailableError for what may pass and StorageRefusedError for what will not.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def put(self, key: str, chunks: AsyncIterable[bytes]) -> StoredObject:
        """Store a stream under a new *key*; when the stream or the store fails, nothing is left under it."""
        self._check_folder()
        digests = Digests()
        try:
            await obstore.put_async(self._backend, key, _digested(chunks, digests))
        except (BaseError, OSError) as error:
            raise _translated(error) from error
        return StoredObject(
            key=key,
            size=digests.size,
            md5=digests.md5.digest(),
            sha1=digests.sha1.digest(),
            sha256=digests.sha256.digest(),
        )

    @asynccontextmanager
    async def get(self, key: str) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Give the object's bytes as a stream.

        Raises:
            ObjectMissingError: nothing is stored under *key*.
        """
        try:
            result = await obstore.get_async(self._backend, key)
        except (BaseError, OSError) as error:
            raise _translated(error) from error
        yield _plain(result.stream(min_chunk_size=_READ_CHUNK))

    async def exists(self, key: str) -> bool:
        """Tell whether there is an object under *key*."""
        try:
            await obstore.head_async(self._backend, key)
        except FileNotFoundError:
            return False
        except (BaseError, OSError) as error:
            raise _translated(error) from error
        return True

    async def delete(self, keys: Sequence[str]) -> Mapping[str, Exception]:
        """Remove at most 1,000 objects; return what stopped those that are still there, by key.

        An object that is gone already counts as removed. A bulk delete says of a chunk only that something
        in it failed, and some stores stop there, so the keys of such a chunk are then taken one by one.
        """
        self._check_folder()
        try:
            await obstore.delete_async(self._backend, list(keys))
        except (BaseError, OSError):
            return await self._delete_singly(keys)
        return {}

    async def _delete_singly(self, keys: Sequence[str]) -> Mapping[str, Exception]:
        failures: dict[str, Exception] = {}
        missing: list[str] = []
        waiting = iter(keys)

        async def delete_next() -> None:
            for key in waiting:
                failure = await self._delete_one(key)
                if isinstance(failure, ObjectMissingError):
                    missing.append(key)
                elif failure:
                    failures[key] = failure

        async with asyncio.TaskGroup() as group:
            for _ in range(_SINGLY):
                group.create_task(delete_next())
        if missing and not await self.is_ours():
            # Nothing is gone already: we are looking into the wrong place.
            failures |= dict.fromkeys(missing, StorageUnavailableError("the objects of this yard are not there"))
        return failures

    async def _delete_one(self, key: str) -> Exception | None:
        try:
            await obstore.delete_async(self._backend, key)
        except (BaseError, OSError) as error:
            return _translated(error)
        return None

    async def is_ours(self) -> bool:
        """Tell whether this is a store that was adopted, and not an empty place where ours should be."""
        folder = self._folder()
        return (folder / _MARK).is_dir() if folder else await self.exists(_MARK)

    async def adopt(self) -> None:
        """Make this store ours; only for one that holds nothing yet."""
        folder = self._folder()
        if folder:
            (folder / _MARK).mkdir(exist_ok=True)
        else:
            await obstore.put_async(self._backend, _MARK, b"")

    def _folder(self) -> Path | None:
        return Path(str(self._backend.prefix)) if isinstance(self._backend, LocalStore) else None

    def _check_folder(self) -> None:
        # A folder is cheap to look at: nothing is written to, or taken for gone from, a volume that is not mounted.
        folder = self._folder()
        if folder and not (folder / _MARK).is_dir():
            raise StorageUnavailableError(f"the objects of this yard are not in {folder}: is the volume mounted?")


def open_store(url: str) -> ObjectStore:
    """Open the store that *url* names; a local folder is made when it is missing.

    Raises:
        StartError: the URL names no store, or the folder cannot be written to.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        return ObjectStore(_local(Path(unquote(parts.path))))
    try:
        return ObjectStore(
            from_url(
                url,
                client_options={"timeout": "30s", "connect_timeout": "5s"},
                retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=15)},
            )
        )
    except (BaseError, ValueError) as error:
        raise StartError(f"PACKYARD_STORAGE_URL: {_first_line(error)}") from error


def memory_store() -> ObjectStore:
    """Open a store that forgets everything with the process."""
    return ObjectStore(MemoryStore())


def _local(folder: Path) -> LocalStore:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        return LocalStore(folder, automatic_cleanup=True)
    except (OSError, BaseError) as error:
        raise StartError(f"PACKYARD_STORAGE_URL: cannot write to {folder}: {_first_line(error)}") from error


async def _digested(chunks: AsyncIterable[bytes], digests: Digests) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        digests.add(chunk)
        yield chunk


async def _plain(stream: "obstore.BytesStream") -> AsyncIterator[bytes]:
    try:
        async for chunk in stream:
            yield bytes(chunk)
    except (BaseError, OSError) as error:
        raise _translated(error) from error


def _translated(error: Exception) -> Exception:
    # What the caller's own stream raised (a client that went away) passes as it is.
    if isinstance(error, FileNotFoundError):
        return ObjectMissingError(_first_line(error))
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return StorageRefusedError(_first_line(error))
    if isinstance(error, BaseError):
        return StorageUnavailableError(_first_line(error))
    return error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
