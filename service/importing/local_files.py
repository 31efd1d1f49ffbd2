"""Files of one folder, as streams of bytes; nothing outside the folder can be reached."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from service.errors import PackyardError, StartError

_CHUNK: Final = 1024 * 1024


class FileRefusedError(PackyardError):
    """There is no such file in the folder, or none that may be read."""


class Folder:
    """A folder from which files are taken."""

    def __init__(self, path: Path) -> None:
        """Use the folder at *path*.

        Raises:
            StartError: there is none.
        """
        self._root = path.resolve()
        if not self._root.is_dir():
            raise StartError(f"{path}: there is no such folder")

    def find(self, relative: str) -> Path:
        """Return where the file *relative* really is.

        Raises:
            FileRefusedError: it is missing, not an ordinary file, or outside the folder, be it by a link.
        """
        try:
            path = (self._root / relative).resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise FileRefusedError(f"{relative}: {_reason(error)}") from None
        if not path.is_relative_to(self._root):
            raise FileRefusedError(f"{relative}: leads out of the folder")
        if not path.is_file():
            raise FileRefusedError(f"{relative}: is not a file")
        return path


async def read_file(path: Path) -> AsyncIterator[bytes]:
    """Read a file in chunks.

    Raises:
        FileRefusedError: it cannot be read.
    """
    try:
        with await asyncio.to_thread(path.open, "rb") as file:
            while chunk := await asyncio.to_thread(file.read, _CHUNK):
                yield chunk
    except OSError as error:
        raise FileRefusedError(f"{path.name}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return (reason or "cannot be read").lower()
