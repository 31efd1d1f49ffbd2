"""The files of a store in a folder: found and changed through the one open folder that bears the mark."""

import io
import os
import stat
import threading
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from service.errors import StorageUnavailableError
from service.infra.storage.interface import MARK, Digests, StoredObject

PARTIAL: Final = ".partial"
"""How the names of files end that are being written."""

ABSENT: Final = (FileNotFoundError, NotADirectoryError)
"""The errors that are raised when nothing has that name."""

_TRIES: Final = 20


@contextmanager
def root_of(folder: Path) -> Generator[int]:
    """Open the folder of the store; the descriptor keeps to this folder, whatever happens to its name."""
    away = StorageUnavailableError(f"the objects of this instance are not in {folder}: is the volume mounted?")
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except ABSENT:
        raise away from None
    try:
        try:
            is_ours = stat.S_ISDIR(os.stat(MARK, dir_fd=descriptor).st_mode)
        except FileNotFoundError:
            is_ours = False
        if not is_ours:
            raise away
        yield descriptor
    finally:
        os.close(descriptor)


def _make_folders(root: int, folder: str) -> None:
    parts = folder.split("/") if folder else []
    for depth in range(len(parts)):
        # The folder above may have been removed just now, since it was empty; the caller tries again.
        with suppress(FileExistsError, FileNotFoundError):
            os.mkdir("/".join(parts[: depth + 1]), 0o700, dir_fd=root)


def _sync_folder(root: int, folder: str) -> None:
    descriptor = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def give_name(root: int, name: str, key: str) -> None:
    """Let the file *name* be *key* from now on, in folders that are made for it, safe on the disk."""
    _rename(root, name, key)
    _sync_folder(root, _folder_of(key))


def _rename(root: int, name: str, key: str) -> None:
    folder = _folder_of(key)
    for tries_left in reversed(range(_TRIES)):
        try:
            os.rename(name, key, src_dir_fd=root, dst_dir_fd=root)
            break
        except FileNotFoundError:
            # There is no such folder yet, or its last object was removed in this moment, and the folder with it.
            if not tries_left:
                raise
            _make_folders(root, folder)


def _folder_of(key: str) -> str:
    return key.rpartition("/")[0]


def remove_empty(root: int, folder: str) -> None:
    """Remove the folder, and those above it, up to the first that is not empty."""
    with suppress(OSError):
        while folder:
            os.rmdir(folder, dir_fd=root)
            folder = folder.rpartition("/")[0]


class Reader:
    """An open file; the lock keeps its number from being given to another file while a thread still reads."""

    def __init__(self, folder: Path, key: str) -> None:
        self._lock = threading.Lock()
        with root_of(folder) as root:
            self._file = os.open(key, os.O_RDONLY, dir_fd=root)

    def read(self, size: int, position: int) -> bytes:
        """Return at most *size* bytes from *position* on."""
        with self._lock:
            return os.pread(self._file, size, position)

    def close(self) -> None:
        """Close it."""
        with self._lock:
            os.close(self._file)


class Drafts:
    """Small files that get their names together; the lock keeps them from being removed while they are made."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self.is_kept = False
        """Whether their publisher knows that they were published."""

        self._names: list[str] = []
        with root_of(folder) as root:
            self._root = os.dup(root)

    def publish(self, contents: Mapping[str, bytes]) -> dict[str, StoredObject]:
        """Write all, make all safe on the disk, and only then give them their names, which are the keys."""
        with self._lock:
            stored = {}
            with ExitStack() as files:
                opened = []
                for key, content in contents.items():
                    digests = Digests()
                    digests.add(content)
                    stored[key] = digests.stored(key)
                    opened.append(files.enter_context(self._written(content)))
                # The first of these saves most of the others, too.
                for file in opened:
                    os.fsync(file.fileno())
            for place, key in enumerate(contents):
                _rename(self._root, self._names[place], key)
                self._names[place] = key
            for folder in {_folder_of(key) for key in contents}:
                _sync_folder(self._root, folder)
            return stored

    def close(self) -> None:
        """Give everything back; what is not kept is gone, even if it was published: nobody waited for it any more."""
        with self._lock:
            for name in () if self.is_kept else self._names:
                with suppress(OSError):
                    os.unlink(name, dir_fd=self._root)
            os.close(self._root)

    def _written(self, content: bytes) -> io.FileIO:
        name = f"{MARK}/{uuid4().hex}{PARTIAL}"
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=self._root)
        self._names.append(name)
        file = io.FileIO(descriptor, "w")
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]
        return file


class Draft:
    """A file that nobody sees before it is whole and safe on the disk; the lock is for what it is for readers."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self.digests = Digests()
        self.is_kept = False
        """Whether its publisher knows that it was published."""

        self._name = f"{MARK}/{uuid4().hex}{PARTIAL}"
        with root_of(folder) as root:
            self._file = os.open(self._name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=root)
            self._root = os.dup(root)

    def write(self, chunk: bytes) -> None:
        """Add a piece, and take it into the checksums."""
        with self._lock:
            self.digests.add(chunk)
            view = memoryview(chunk)
            while view:
                view = view[os.write(self._file, view) :]

    def publish(self, key: str) -> None:
        """Make it safe on the disk, and give it its name."""
        with self._lock:
            os.fsync(self._file)
            _rename(self._root, self._name, key)
            self._name = key
            _sync_folder(self._root, _folder_of(key))

    def close(self) -> None:
        """Give everything back; what is not kept is gone, even if it was published: nobody waited for it any more."""
        with self._lock:
            if not self.is_kept:
                with suppress(OSError):
                    os.unlink(self._name, dir_fd=self._root)
            os.close(self._file)
            os.close(self._root)
