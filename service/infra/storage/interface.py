"""The object store as everybody sees it: one small interface, whatever keeps the bytes."""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol, TypeAlias

from uuid_utils import uuid7

DELETE_CHUNK: Final = 1_000
"""How many keys one bulk delete takes at most (S3's limit)."""

READ_CHUNK: Final = 256 * 1024
"""About how many bytes a piece of an object has, when it is read."""

MARK: Final = ".packyard"
"""The key that distinguishes our store from an empty one: a volume that is not mounted, a bucket that is missing."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a store may take."""

    first_byte: timedelta
    """Until the first piece of an object comes, or the answer whether there is one."""

    removal: timedelta
    """For one chunk of removals."""


DEFAULT_PATIENCE: Final = Patience(first_byte=timedelta(seconds=10), removal=timedelta(seconds=60))


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

    def stored(self, key: str) -> "StoredObject":
        """Return what an object of these bytes under *key* is."""
        return StoredObject(
            key=key,
            size=self.size,
            md5=self.md5.digest(),
            sha1=self.sha1.digest(),
            sha256=self.sha256.digest(),
        )


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that was stored: its key, size in bytes, and raw checksums."""

    key: str
    size: int
    md5: bytes
    sha1: bytes
    sha256: bytes


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """The facts that a store has of an object: its key, size in bytes, and when it was written."""

    key: str
    size: int
    modified: datetime


Check: TypeAlias = Callable[[StoredObject], None]
"""Checks an object when all of its bytes have come, before it can be seen; an error refuses the object."""


class ObjectStore(Protocol):
    """Puts, gets and removes objects by key; knows nothing of packages.

    Every method raises StorageUnavailableError for what may pass and StorageRefusedError for what will not.
    """

    async def put(self, key: str, chunks: AsyncIterable[bytes], *, check: Check | None = None) -> StoredObject:
        """Store a stream under a new *key*; when the stream, the check or the store fails, nothing is left under it."""
        ...

    async def put_all(self, contents: Mapping[str, bytes]) -> Mapping[str, StoredObject]:
        """Store a few small objects together, by new keys; when this fails, any of them may be there."""
        return {key: await self.put(key, _once(content)) for key, content in contents.items()}

    def get(
        self, key: str, *, start: int = 0, end: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Give the object's bytes from *start* up to, but without, *end* as a stream.

        Raises:
            ObjectMissingError: nothing is stored under *key*.
        """
        ...

    async def head(self, key: str) -> ObjectInfo | None:
        """Return the facts of the object under *key*; None when there is none."""
        ...

    def list(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        """Give all objects below the folder *prefix*, by their keys, in pieces of at most 1,000; not the mark."""
        ...

    async def delete(self, keys: Sequence[str]) -> Mapping[str, Exception]:
        """Remove at most 1,000 objects; return what stopped those that may still be there, by key.

        An object that is gone already counts as removed, but only if this is certainly our store. The failures are

        - StorageUnavailableError: the store went away before this one; when it is away for all, this is raised;
        - ObjectStuckError: the store answers, but did not remove this one;
        - StorageRefusedError: it never will.
        """
        ...

    async def move(self, key: str, target: str) -> None:
        """Give the object under *key* the key *target*; until that is done it stays where it is.

        Raises:
            ObjectMissingError: nothing is stored under *key*.
        """
        ...

    async def remove_stale(self) -> None:
        """Remove what uploads left that broke off long ago and no listing shows, where that can be seen."""
        ...

    async def is_ours(self) -> bool:
        """Return whether this is a store that was adopted, and not an empty place where ours should be."""
        ...

    async def owner(self) -> str:
        """Return the id of the instance that the mark names; an empty text if it names none."""
        ...

    async def adopt(self, owner: str = "") -> None:
        """Mark this store, with the id of the instance that owns it; only for one that has no owner yet."""
        ...

    async def address(self, key: str, *, valid_for: timedelta) -> str | None:
        """Return a URL that gives the object to everybody for a while; None when the store has no such thing."""
        ...

    async def keeps_removed(self) -> bool:
        """Return whether removed objects stay as older versions; False if the store does not show that."""
        ...


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


def new_key(project_id: int) -> str:
    """Make a key that was never used before and never will be again."""
    name = uuid7().hex
    return f"projects/{project_id}/{name[-2:]}/{name}"
