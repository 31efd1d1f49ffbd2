"""Files of a data folder: who may read them, and the lock that makes one stack of it."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from service.errors import StartError

ENVIRONMENT: Final = "packyard.env"
"""The settings of the running stack, for other commands; written before its processes start."""

_PRIVATE: Final = 0o600
_TRAVERSE: Final = 0o001


def write_private(path: Path, text: str) -> None:
    """Write *text* for its owner alone; a reader sees the old file or the new one, never a half."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def make_traversable(path: Path) -> None:
    """Let other accounts pass through the folders above *path*; what they may list or read stays as it is."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & _TRAVERSE:
            folder.chmod(mode | _TRAVERSE)


@contextmanager
def own_folder(folder: Path) -> Iterator[None]:
    """Make *folder* where it is missing, and hold it for this process alone.

    A folder that was made here is removed when a stack cannot be started in it: one without ENVIRONMENT has never run.
    It stays when the error refers to it, as to a log.

    Raises:
        StartError: it cannot be written to, or another process holds it.
    """
    if set(str(folder)) & set("'\"\\"):
        raise StartError(
            f"the data folder {folder} should have no quote or backslash in its path: RabbitMQ trips over it"
        )
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise StartError(f"cannot write to the data folder {folder}: {error.strerror}") from error
    with lock:
        _lock(lock, folder)
        try:
            yield
        except StartError as error:
            if missing and not (folder / ENVIRONMENT).exists() and str(folder) not in str(error):
                _remove(missing)
            raise


def _lock(lock: TextIO, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        raise StartError(f"{folder} is in use by another `packyard up` (process {holder})") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def _remove(made: Sequence[Path]) -> None:
    """Remove a folder with all that is in it, and those above it that were made for it and hold nothing else."""
    folder, *around = made
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        for path in around:
            path.rmdir()
