"""Walking over the files below an open folder in the order of their keys."""

import os
from collections.abc import Generator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from service.infra.storage.interface import MARK, ObjectInfo

_PIECE: Final = 1_000


def walk(root: int, prefix: str) -> Generator[Sequence[ObjectInfo]]:
    """Give what lies below the folder *prefix* of *root*, in pieces; one folder at a time is held in memory."""
    piece: list[ObjectInfo] = []
    for found in _walk(root, prefix):
        piece.append(found)
        if len(piece) == _PIECE:
            yield piece
            piece = []
    if piece:
        yield piece


def _walk(root: int, folder: str) -> Generator[ObjectInfo]:
    # A file or folder that disappears during the walk is left out.
    for name in _names(root, folder):
        path = f"{folder}/{name}" if folder else name
        if name.endswith("/"):
            yield from _walk(root, path.removesuffix("/"))
        elif path != MARK:
            with suppress(FileNotFoundError):
                found = os.stat(path, dir_fd=root)
                yield ObjectInfo(path, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _names(root: int, folder: str) -> Sequence[str]:
    """Return what lies in *folder*, folders with a slash behind, since that is how keys sort."""
    try:
        descriptor = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=root)
    except (FileNotFoundError, NotADirectoryError):
        return []
    try:
        with os.scandir(descriptor) as entries:
            names = [f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name for entry in entries]
    finally:
        os.close(descriptor)
    return sorted(name for name in names if folder or name != f"{MARK}/")
