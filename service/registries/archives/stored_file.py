"""An object of the store as a file for a thread: archives are read in place, a few ranges of bytes at a time."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from service.infra.storage.interface import ObjectStore, StoredObject
from service.registries.archives.errors import ArchiveError

_AHEAD: Final = 256 * 1024
"""Bytes that one request to the store brings at least."""
_LARGEST_READ: Final = 8 * 1024 * 1024
"""Bytes that a reader may ask for in one piece; the directory of a zip archive with 60,000 files has as many."""
_LONGEST_CPU_S: Final = 5.0
_PATIENCE_S: Final = 60.0
_READERS: Final = ThreadPoolExecutor(max_workers=4, thread_name_prefix="archive")
"""Threads of their own: a store may need those of the event loop to answer."""

_Found = TypeVar("_Found")


class StoredFile:
    """A stored object, read from a thread while the event loop talks to the store."""

    def __init__(self, store: ObjectStore, stored: StoredObject, loop: asyncio.AbstractEventLoop) -> None:
        """Begin at the first byte."""
        self.size = stored.size
        self._store = store
        self._key = stored.key
        self._loop = loop
        self._position = 0
        self._held = b""
        self._held_from = 0
        self._is_closed = False
        self._began_s: float | None = None

    def read(self, size: int = -1, /) -> bytes:
        """Return the next *size* bytes, fewer at the end.

        Raises:
            ArchiveError: the piece is too large, or reading has taken too much of the processor.
            StorageUnavailableError: the store is away.
        """
        self.check_time()
        wanted = self.size - self._position if size < 0 else min(size, self.size - self._position)
        if wanted > _LARGEST_READ:
            raise ArchiveError("is too large to be read")
        if wanted <= 0:
            return b""
        start = self._position - self._held_from
        if start < 0 or start + wanted > len(self._held):
            self._fetch(self._position, min(self.size, self._position + max(wanted, _AHEAD)))
            start = 0
        self._position += wanted
        return self._held[start : start + wanted]

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to another byte, as a file does."""
        base = {0: 0, 1: self._position, 2: self.size}[whence]
        if base + offset < 0:
            raise OSError("before the beginning of the file")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position of the next byte."""
        return self._position

    def seekable(self) -> bool:
        """Return True: a file that is read in any order."""
        return True

    def close(self) -> None:
        """End the reading: the next one fails."""
        self._is_closed = True

    def check_time(self) -> None:
        """Raise ArchiveError if reading was ended, or has taken too much of the processor."""
        now = time.thread_time()
        if self._began_s is None:
            self._began_s = now
        if self._is_closed or now - self._began_s > _LONGEST_CPU_S:
            raise ArchiveError("takes too long to read")

    def _fetch(self, start: int, end: int) -> None:
        reading = asyncio.run_coroutine_threadsafe(_bytes_of(self._store, self._key, start, end), self._loop)
        try:
            self._held, self._held_from = reading.result(_PATIENCE_S), start
        finally:
            reading.cancel()


async def read_stored(store: ObjectStore, stored: StoredObject, read: Callable[[StoredFile], _Found]) -> _Found:
    """Call *read* with the object, in a thread, and return what it returns.

    Four objects are read at a time; further ones wait.
    """
    loop = asyncio.get_running_loop()
    file = StoredFile(store, stored, loop)
    try:
        return await loop.run_in_executor(_READERS, read, file)
    finally:
        file.close()


async def _bytes_of(store: ObjectStore, key: str, start: int, end: int) -> bytes:
    async with store.get(key, start=start, end=end) as pieces:
        return b"".join([piece async for piece in pieces])
