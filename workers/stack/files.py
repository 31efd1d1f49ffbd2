"""Files of a data folder: who may read them, and the lock that makes one stack of it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from service.errors import StartError

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

    Raises:
        StartError: it cannot be written to, or another process holds it.
    """
    if set(str(folder)) & set("'\"\\"):
        raise StartError(
            f"the data folder {folder} should have no quote or backslash in its path: RabbitMQ trips over it"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise StartError(f"cannot write to the data folder {folder}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise StartError(f"{folder} is in use by another `packyard up` (process {holder})") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
