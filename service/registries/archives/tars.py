"""Tar archives that gzip compressed, read while their bytes pass: one file is kept, and memory stays flat.

`tarfile` decodes single headers only. It reads long headers by patterns, which take hours where somebody wants that.
"""

import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from service.registries.archives.errors import ArchiveError
from service.registries.archives.pax import pax_path
from service.registries.archives.stored_file import StoredFile

_LARGEST_BEFORE: Final = 256 * 1024**2
"""Bytes that are unpacked in search of a file."""
_MOST_BEFORE: Final = 20_000
_LARGEST_HEADER: Final = 1024**2
"""Bytes of a header that does not fit into a block."""
_BLOCK: Final = 512
_ZEROS: Final = bytes(_BLOCK)
_ZEROS_AT_END: Final = 2
_MOST_STREAMS: Final = 10_000
"""A stream of 20 bytes costs as much as one of a kilobyte."""
_PIECE: Final = 64 * 1024
_UNPACKED_PIECE: Final = 1024**2
_GZIP: Final = 31
"""The format of the stream, in zlib's words."""
_PAX: Final = frozenset({tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE})
_KEPT: Final = _PAX | {tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
"""Entries that say more of the next one, or of all that follow."""
_WITHOUT_BYTES: Final = frozenset(
    {tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE}
)
_UNREADABLE: Final = "should be a gzip-compressed tar archive"


@dataclass(slots=True)
class _Entry:
    """The entry whose bytes are passing."""

    kind: bytes
    left: int
    """Bytes until the next header, with those that fill the last block."""
    size: int
    kept: bytearray | None = None
    """Its bytes, where they are wanted."""


@dataclass(slots=True)
class TarReader:
    """Takes an archive in pieces, and has the content of the wanted file when all have come.

    Clients unpack a later file over an earlier one, so the last one counts.
    """

    is_wanted: Callable[[str], bool]
    """Whether the file with that path is wanted."""
    largest: int
    """Bytes that the wanted file may have."""
    most_unpacked: int
    """Bytes that may come when the archive is unpacked."""
    most_entries: int
    where: str = "when it is unpacked"
    """Where too many bytes or files come, in the words of a refusal."""
    content: bytes | None = None
    files: int = 0
    unpacked: int = 0
    """Bytes of all files."""
    _inflated: int = 0
    _streams: int = 1
    _entries: int = 0
    _zeros: int = 0
    """Empty blocks in a row: two are the end, and clients read nothing behind them."""
    _block: bytearray = field(default_factory=bytearray)
    _entry: _Entry | None = None
    _name: str | None = None
    """The name of the next entry, if an entry of its own gave it."""
    _stream: "zlib._Decompress" = field(default_factory=lambda: zlib.decompressobj(wbits=_GZIP))

    def feed(self, piece: bytes) -> None:
        """Take the next bytes; this may take long, so it belongs into a thread.

        Raises:
            ArchiveError: they are not those of such an archive, or break a bound.
        """
        try:
            for unpacked in self._unpack(piece):
                self._inflated += len(unpacked)
                if self._inflated > self.most_unpacked:
                    raise ArchiveError(f"has more than {self.most_unpacked // 1024**2} MiB {self.where}")
                self._read(memoryview(unpacked))
        except (zlib.error, tarfile.HeaderError, ValueError, OverflowError):
            raise ArchiveError(_UNREADABLE) from None

    def close(self) -> None:
        """Check that the end has come.

        Raises:
            ArchiveError: it has not.
        """
        if not self._stream.eof or self._entry is not None or self._entries == 0:
            raise ArchiveError(_UNREADABLE)

    def _unpack(self, piece: bytes) -> Iterator[bytes]:
        while piece:
            if self._stream.eof:
                # gzip allows several streams in a row, and fills up with zeros.
                piece = piece.lstrip(b"\0")
                if not piece:
                    return
                self._streams += 1
                if self._streams > _MOST_STREAMS:
                    raise ArchiveError(f"has more than {_MOST_STREAMS} compressed parts")
                self._stream = zlib.decompressobj(wbits=_GZIP)
            yield self._stream.decompress(piece, _UNPACKED_PIECE)
            piece = self._stream.unconsumed_tail or self._stream.unused_data

    def _read(self, piece: memoryview) -> None:
        while piece and self._zeros < _ZEROS_AT_END:
            if self._entry is None:
                taken = piece[: _BLOCK - len(self._block)]
                self._block += taken
                if len(self._block) == _BLOCK:
                    self._begin(bytes(self._block))
                    self._block.clear()
            else:
                taken = piece[: self._entry.left]
                self._pass(self._entry, taken)
            piece = piece[len(taken) :]

    def _begin(self, block: bytes) -> None:
        if block == _ZEROS:
            self._zeros += 1
            return
        self._zeros = 0
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        self._entries += 1
        if self._entries > self.most_entries:
            raise ArchiveError(f"has more than {self.most_entries} files {self.where}")
        size = 0 if header.type in _WITHOUT_BYTES else header.size
        if size < 0:
            raise ArchiveError(_UNREADABLE)
        entry = _Entry(header.type, left=size + -size % _BLOCK, size=size)
        if header.type in _KEPT:
            entry.kept = _room(size, _LARGEST_HEADER, "has a header that is too large")
        else:
            self._begin_named(entry, self._name or header.name, is_file=header.isreg())
            self._name = None
        self._entry = entry if entry.left else None

    def _begin_named(self, entry: _Entry, name: str, *, is_file: bool) -> None:
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
            raise ArchiveError("should have no path that leads out of it")
        if not is_file:
            return
        self.files += 1
        self.unpacked += entry.size
        if self.is_wanted(name):
            called = name.rpartition("/")[2]
            entry.kept = _room(entry.size, self.largest, f"has a {called} of more than {self.largest // 1024} KiB")
            if not entry.left:
                self.content = b""

    def _pass(self, entry: _Entry, taken: memoryview) -> None:
        if entry.kept is not None:
            entry.kept += taken
        entry.left -= len(taken)
        if entry.left:
            return
        self._entry = None
        if entry.kept is None:
            return
        content = bytes(entry.kept[: entry.size])
        if entry.kind not in _KEPT:
            self.content = content
        elif entry.kind == tarfile.GNUTYPE_LONGNAME:
            self._name = content.rstrip(b"\0").decode(errors="replace")
        elif entry.kind != tarfile.GNUTYPE_LONGLINK:
            self._read_pax(content, is_global=entry.kind == tarfile.XGLTYPE)

    def _read_pax(self, content: bytes, *, is_global: bool) -> None:
        path = pax_path(content)
        # Some clients let a global path be that of each file.
        if is_global and path is not None:
            raise ArchiveError(_UNREADABLE)
        self._name = path or self._name


def read_tar_entry(file: StoredFile, is_wanted: Callable[[str], bool], *, largest: int) -> bytes | None:
    """Return the bytes of the first file whose path is wanted, None when there is none; the rest is not read.

    Raises:
        ArchiveError: it is no such archive, the file has more than *largest* bytes, or too much comes before it.
    """
    reader = TarReader(is_wanted, largest, _LARGEST_BEFORE, _MOST_BEFORE, where="before its metadata")
    while reader.content is None and (piece := file.read(_PIECE)):
        reader.feed(piece)
    if reader.content is None:
        reader.close()
    return reader.content


def _room(size: int, most: int, refusal: str) -> bytearray:
    if size > most:
        raise ArchiveError(refusal)
    return bytearray()
