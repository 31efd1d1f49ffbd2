"""Zip archives: one entry by the directory at the end, and where its bytes are."""

import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO, Final, cast

from service.registries.archives.errors import ArchiveError
from service.registries.archives.stored_file import StoredFile

_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")
_SIGNATURE: Final = b"PK\x03\x04"
_METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED: Final = 0x1


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """Where the bytes of an entry are in its archive, from *start* up to, but without, *end*."""

    start: int
    end: int
    size: int
    """Bytes of the entry when it is unpacked."""
    is_deflated: bool

    def content(self, packed: bytes) -> bytes:
        """Unpack the entry's bytes.

        Raises:
            ArchiveError: they are not as many as the directory says.
        """
        found = _inflated(packed, self.size) if self.is_deflated else packed
        if len(found) != self.size:
            raise ArchiveError("is damaged")
        return found


def entries_of(file: StoredFile) -> list[zipfile.ZipInfo]:
    """Return the entries in the archive's directory.

    Raises:
        ArchiveError: it is no zip archive, or an entry leads out of the folder into which it is unpacked.
    """
    try:
        # Only the methods that the class has are called.
        with zipfile.ZipFile(cast(IO[bytes], file)) as archive:
            found = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, OverflowError, struct.error):
        raise ArchiveError("should be a zip archive") from None
    for entry in found:
        if entry.filename.startswith(("/", "\\")) or ".." in entry.filename.replace("\\", "/").split("/"):
            raise ArchiveError("has an entry that leads out of its folder")
    return found


def place_of(file: StoredFile, entry: zipfile.ZipInfo, *, largest: int) -> ZipEntry:
    """Return where an entry is, which may have *largest* bytes.

    Raises:
        ArchiveError: it is larger, encrypted, compressed in an unusual way, or not there.
    """
    if max(entry.file_size, entry.compress_size) > largest:
        raise ArchiveError(f"has a {entry.filename.rpartition('/')[2]} of more than {largest // 1024} KiB")
    if entry.compress_type not in _METHODS or entry.flag_bits & _ENCRYPTED:
        raise ArchiveError("has an entry that is encrypted, or compressed by other means than deflate")
    file.seek(entry.header_offset)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size:
        raise ArchiveError("is damaged")
    signature, name_length, extra_length = _LOCAL_HEADER.unpack(header)
    start = entry.header_offset + _LOCAL_HEADER.size + name_length + extra_length
    end = start + entry.compress_size
    if signature != _SIGNATURE or end > file.size:
        raise ArchiveError("is damaged")
    return ZipEntry(start, end, entry.file_size, is_deflated=entry.compress_type == zipfile.ZIP_DEFLATED)


def read_entry(file: StoredFile, entry: zipfile.ZipInfo, *, largest: int) -> tuple[ZipEntry, bytes]:
    """Return where an entry is, and its bytes, at most *largest*.

    Raises:
        ArchiveError: it is larger, or its bytes are not those that the directory describes.
    """
    place = place_of(file, entry, largest=largest)
    file.seek(place.start)
    content = place.content(file.read(place.end - place.start))
    if zlib.crc32(content) != entry.CRC:
        raise ArchiveError("is damaged")
    return place, content


def _inflated(packed: bytes, size: int) -> bytes:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # One byte more shows that there are more.
        return stream.decompress(packed, size + 1)
    except zlib.error:
        raise ArchiveError("is damaged") from None
