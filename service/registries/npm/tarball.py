"""Reading the package.json of a tarball while its bytes pass: nothing is written, and memory stays flat."""

import posixpath
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from service.refusals import ValidationFailedError

_LARGEST_UNPACKED: Final = 2 * 1024**3
"""Bytes that are unpacked."""
_MOST_ENTRIES: Final = 100_000
_LARGEST_KEPT: Final = 1024 * 1024
"""Bytes of package.json, and of the header of an entry that does not fit into a block."""
_BLOCK: Final = 512
_UNPACKED_PIECE: Final = 1024 * 1024
_GZIP: Final = 31
"""The format of the stream, in zlib's words."""
_PAX_PATH: Final = re.compile(rb"(?:^|\n)[0-9]+ path=([^\n]*)\n")
_PAX_SIZE: Final = re.compile(rb"(?:^|\n)[0-9]+ size=")
_PAX: Final = frozenset({tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE})
_KEPT: Final = _PAX | {tarfile.GNUTYPE_LONGNAME}
_WITHOUT_BYTES: Final = frozenset(
    {tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE}
)
_UNREADABLE: Final = "Tarball should be a gzip-compressed tar archive"
_MANIFEST: Final = "package.json"


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
class TarballReader:
    """Takes a tarball in pieces, and has its package.json when all have come.

    npm unpacks a later entry over an earlier one, so the last package.json counts.
    """

    most: int = _LARGEST_UNPACKED
    """Bytes that may come when it is unpacked."""
    manifest: bytes | None = None
    """The text of package.json."""
    files: int = 0
    unpacked: int = 0
    """Bytes of all files."""
    _inflated: int = 0
    _entries: int = 0
    _block: bytearray = field(default_factory=bytearray)
    _entry: _Entry | None = None
    _name: str | None = None
    """The name of the next entry, if an entry of its own gave it."""
    _stream: "zlib._Decompress" = field(default_factory=lambda: zlib.decompressobj(wbits=_GZIP))

    def feed(self, piece: bytes) -> None:
        """Take the next bytes; this may take long, so it belongs into a thread.

        Raises:
            ValidationFailedError: they are not those of a tarball, or it is too large when it is unpacked.
        """
        try:
            for unpacked in self._unpack(piece):
                self._inflated += len(unpacked)
                if self._inflated > self.most:
                    raise ValidationFailedError("Tarball is too large when it is unpacked (maximum is 2 GiB)")
                self._read(memoryview(unpacked))
        except (zlib.error, tarfile.HeaderError, ValueError, OverflowError):
            raise ValidationFailedError(_UNREADABLE) from None

    def close(self) -> None:
        """Check that the end has come.

        Raises:
            ValidationFailedError: it has not.
        """
        if not self._stream.eof or self._entry is not None or self._entries == 0:
            raise ValidationFailedError(_UNREADABLE)

    def _unpack(self, piece: bytes) -> Iterator[bytes]:
        while piece:
            if self._stream.eof:
                # gzip allows several streams in a row, and fills up with zeros.
                piece = piece.lstrip(b"\0")
                if not piece:
                    return
                self._stream = zlib.decompressobj(wbits=_GZIP)
            yield self._stream.decompress(piece, _UNPACKED_PIECE)
            piece = self._stream.unconsumed_tail or self._stream.unused_data

    def _read(self, piece: memoryview) -> None:
        while piece:
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
        if not any(block):
            # The end of the archive, which may come again.
            return
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        self._entries += 1
        if self._entries > _MOST_ENTRIES:
            raise ValidationFailedError(f"Tarball has too many files (maximum is {_MOST_ENTRIES})")
        size = 0 if header.type in _WITHOUT_BYTES else header.size
        if size < 0:
            raise ValidationFailedError(_UNREADABLE)
        entry = _Entry(header.type, left=size + -size % _BLOCK, size=size)
        if header.type in _KEPT:
            entry.kept = _room(size, "the header of a file")
        elif header.isreg():
            self._begin_file(entry, self._name or header.name)
        if header.type not in _KEPT:
            self._name = None
        self._entry = entry if entry.left else None

    def _begin_file(self, entry: _Entry, name: str) -> None:
        path = _below_its_folder(name)
        self.files += 1
        self.unpacked += entry.size
        if path == _MANIFEST:
            entry.kept = _room(entry.size, _MANIFEST)
            self.manifest = b""

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
            self.manifest = content
        elif entry.kind in _PAX:
            self._read_pax(content)
        else:
            self._name = content.rstrip(b"\0").decode(errors="replace")

    def _read_pax(self, content: bytes) -> None:
        if _PAX_SIZE.search(content):
            raise ValidationFailedError(_UNREADABLE)
        if found := _PAX_PATH.findall(content):
            self._name = found[-1].decode(errors="replace")


def _room(size: int, name: str) -> bytearray:
    if size > _LARGEST_KEPT:
        raise ValidationFailedError(f"Tarball: {name} is too large (maximum is 1 MiB)")
    return bytearray()


def _below_its_folder(name: str) -> str:
    """Return the path that the file has when npm unpacks it, which leaves out the first folder."""
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or name.startswith("/"):
        raise ValidationFailedError("Tarball should have no path that leads out of it")
    return posixpath.normpath("/".join(parts[1:])) if len(parts) > 1 else ""
