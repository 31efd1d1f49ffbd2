"""Objects in a folder of this machine.

All reading, writing and removing goes through one open folder, the one that bears the mark. A folder may be mounted,
moved or unmounted at any time. An object that is missing there is missing from our store, and not from another folder
of the same name.
"""

import asyncio
import os
import stat
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from typing_extensions import override

from service.errors import (
    ObjectMissingError,
    StartError,
)
from service.infra.storage.folder.errors import stuck, translated
from service.infra.storage.folder.files import ABSENT, PARTIAL, Draft, Drafts, Reader, give_name, remove_empty, root_of
from service.infra.storage.folder.walk import walk
from service.infra.storage.interface import (
    DEFAULT_PATIENCE,
    MARK,
    READ_CHUNK,
    Check,
    ObjectInfo,
    ObjectStore,
    StoredObject,
)
from service.infra.storage.reading import begun

_THREADS: Final = 16
_OWNER: Final = "instance-"
"""How the name of the folder begins that names the owner, within the mark."""
_STALE_S: Final = 24 * 3600
"""The process of an upload was killed if the upload has written nothing for this long."""

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", Draft, Drafts, Reader)


class FolderStore(ObjectStore):
    """A store whose objects are files; `open_folder` makes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # The store has threads of its own, so that a disk that hangs does not block those of the event loop.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="objects")
        self._closing: set[asyncio.Future[None]] = set()

    @override
    async def put(self, key: str, chunks: AsyncIterable[bytes], *, check: Check | None = None) -> StoredObject:
        async with self._opened(lambda: Draft(self._folder), is_awaited=True) as draft:
            async for chunk in chunks:
                await self._run(draft.write, chunk)
            stored = draft.digests.stored(key)
            if check:
                check(stored)
            await self._run(draft.publish, key)
            draft.is_kept = True
        return stored

    @override
    async def put_all(self, contents: Mapping[str, bytes]) -> Mapping[str, StoredObject]:
        # One turn of a thread for all: waking threads costs more than writing small files.
        async with self._opened(lambda: Drafts(self._folder), is_awaited=True) as drafts:
            stored = await self._run(drafts.publish, contents)
            drafts.is_kept = True
        return stored

    @override
    @asynccontextmanager
    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[AsyncIterator[bytes]]:
        async with begun(self._read(key, start, end), within=DEFAULT_PATIENCE.first_byte) as pieces:
            yield pieces

    @override
    async def head(self, key: str) -> ObjectInfo | None:
        try:
            return await self._run(self._head, key)
        except ObjectMissingError:
            return None

    @override
    async def list(self, prefix: str = "") -> AsyncIterator[Sequence[ObjectInfo]]:
        pieces = self._walk(prefix.strip("/"))
        while piece := await self._run(next, pieces, ()):
            yield piece

    @override
    async def delete(self, keys: Sequence[str]) -> Mapping[str, Exception]:
        is_abandoned = threading.Event()
        try:
            return await self._run(self._delete, keys, is_abandoned)
        finally:
            # If the caller stopped waiting, nothing may be removed after that.
            is_abandoned.set()

    @override
    async def move(self, key: str, target: str) -> None:
        await self._run(self._move, key, target)

    @override
    async def remove_stale(self) -> None:
        await self._run(_remove_stale, self._folder / MARK)

    @override
    async def is_ours(self) -> bool:
        return await self._run((self._folder / MARK).is_dir)

    @override
    async def owner(self) -> str:
        return await self._run(self._owner)

    @override
    async def adopt(self, owner: str = "") -> None:
        mark = self._folder / MARK
        await self._run((mark / f"{_OWNER}{owner}" if owner else mark).mkdir, mode=0o700, parents=True, exist_ok=True)

    @override
    async def address(self, key: str, *, valid_for: timedelta) -> str | None:
        return None

    @override
    async def keeps_removed(self) -> bool:
        return False

    @asynccontextmanager
    async def _read(self, key: str, start: int, end: int | None) -> AsyncGenerator[AsyncIterator[bytes]]:
        async with self._opened(lambda: Reader(self._folder, key), is_awaited=False) as reader:
            yield self._pieces(reader, start, end)

    @asynccontextmanager
    async def _opened(self, opening: Callable[[], F], *, is_awaited: bool) -> AsyncGenerator[F]:
        """Give what a thread opens; it is closed even if nobody waits any more for it to be opened.

        Only where its end *is_awaited*, a disk that hangs holds up the caller.
        """
        opened = asyncio.ensure_future(self._run(opening))
        try:
            yield await asyncio.shield(opened)
        finally:
            closing = asyncio.ensure_future(self._close(opened))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            if is_awaited:
                await asyncio.shield(closing)

    async def _close(self, opened: "asyncio.Future[F]") -> None:
        await asyncio.wait([opened])
        if not opened.cancelled() and opened.exception() is None:
            await self._run(opened.result().close)

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def call() -> T:
            try:
                return function(*args, **kwargs)
            except OSError as error:
                raise translated(error, self._folder) from error

        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _walk(self, prefix: str) -> Generator[Sequence[ObjectInfo]]:
        with root_of(self._folder) as root:
            yield from walk(root, prefix)

    def _head(self, key: str) -> ObjectInfo | None:
        with root_of(self._folder) as root:
            found = os.stat(key, dir_fd=root)
        if not stat.S_ISREG(found.st_mode):
            return None
        return ObjectInfo(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def _owner(self) -> str:
        names = sorted(path.name for path in (self._folder / MARK).glob(f"{_OWNER}*"))
        return names[0].removeprefix(_OWNER) if names else ""

    def _move(self, key: str, target: str) -> None:
        with root_of(self._folder) as root:
            os.stat(key, dir_fd=root)  # Nothing is there, so no folders are made for it.
            give_name(root, key, target)
            remove_empty(root, key.rpartition("/")[0])

    async def _pieces(self, reader: "Reader", start: int, end: int | None) -> AsyncIterator[bytes]:
        position = start
        while end is None or position < end:
            wanted = READ_CHUNK if end is None else min(READ_CHUNK, end - position)
            chunk = await self._run(reader.read, wanted, position)
            if not chunk:
                return
            position += len(chunk)
            yield chunk

    def _delete(self, keys: Sequence[str], is_abandoned: threading.Event) -> Mapping[str, Exception]:
        errors: dict[str, OSError] = {}
        with root_of(self._folder) as root:
            for key in keys:
                if is_abandoned.is_set():
                    break
                try:
                    os.unlink(key, dir_fd=root)
                except ABSENT:
                    pass
                except OSError as error:
                    errors[key] = error
            for folder in {key.rpartition("/")[0] for key in keys}:
                remove_empty(root, folder)
        is_away = len(errors) == len(keys)
        return {key: stuck(error, self._folder, is_away=is_away) for key, error in errors.items()}


def open_folder(folder: Path) -> FolderStore:
    """Open the store in *folder*, which is made when it is missing.

    Raises:
        StartError: it cannot be written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        _remove_stale(folder / MARK)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StartError(f"PACKYARD_STORAGE_URL: cannot write to {folder}: {reason}") from error
    return FolderStore(folder)


def _remove_stale(folder: Path) -> None:
    for path in folder.glob(f"*{PARTIAL}"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < time.time() - _STALE_S:
                path.unlink()
