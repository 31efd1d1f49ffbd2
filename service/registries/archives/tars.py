"""Tar archives that gzip compressed: one entry, read as a stream from the beginning."""

import tarfile
import zlib
from collections.abc import Callable
from typing import IO, Final, cast

from service.registries.archives.errors import ArchiveError
from service.registries.archives.stored_file import StoredFile

_LARGEST_UNPACKED: Final = 256 * 1024 * 1024
"""Bytes that are unpacked in search of the entry."""
_LARGEST_PIECE: Final = 1024 * 1024
"""Bytes of a header, or of an entry that is read."""
_PIECE: Final = 64 * 1024
_MOST_ENTRIES: Final = 20_000


class _Unpacked:
    """The decompressed bytes, which are read forward only."""

    def __init__(self, packed: StoredFile) -> None:
        self._packed = packed
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._held = b""
        self._position = 0

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= _LARGEST_PIECE:
            raise ArchiveError("has a header that is too large")
        self._packed.check_time()
        while len(self._held) < size and not self._stream.eof:
            packed = self._stream.unconsumed_tail or self._packed.read(_PIECE)
            found = self._stream.decompress(packed, _PIECE)
            if not (packed or found):
                break
            self._held += found
        found, self._held = self._held[:size], self._held[size:]
        self._position += len(found)
        if self._position > _LARGEST_UNPACKED:
            raise ArchiveError(f"has more than {_LARGEST_UNPACKED // 1024**2} MiB before its metadata")
        return found

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if whence or offset < self._position:
            raise OSError("read forward only")
        while self._position < offset and self.read(min(_PIECE, offset - self._position)):
            pass
        return self._position

    def tell(self) -> int:
        return self._position


def read_tar_entry(file: StoredFile, is_wanted: Callable[[str], bool], *, largest: int) -> bytes | None:
    """Return the bytes of the first file whose name is wanted, None when there is none.

    Raises:
        ArchiveError: it is no such archive, the entry has more than *largest* bytes, or too much comes before it.
    """
    try:
        # A list of an archive is read forward.
        with tarfile.open(fileobj=cast(IO[bytes], _Unpacked(file)), mode="r:") as archive:
            return _content_of(archive, is_wanted, largest=largest)
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, OverflowError):
        raise ArchiveError("should be a gzip-compressed tar archive") from None


def _content_of(archive: tarfile.TarFile, is_wanted: Callable[[str], bool], *, largest: int) -> bytes | None:
    for number, entry in enumerate(archive):
        if number >= _MOST_ENTRIES:
            raise ArchiveError(f"has more than {_MOST_ENTRIES} files before its metadata")
        if entry.isreg() and is_wanted(entry.name):
            if entry.size > largest:
                raise ArchiveError(f"has a {entry.name.rpartition('/')[2]} of more than {largest // 1024} KiB")
            found = archive.extractfile(entry)
            return None if found is None else found.read()
    return None
