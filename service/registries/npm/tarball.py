"""Reading the package.json of a tarball while its bytes pass: nothing is written, and memory stays flat."""

import posixpath
from typing import Final

from service.refusals import ValidationFailedError
from service.registries.archives.errors import ArchiveError
from service.registries.archives.tars import TarReader

_LARGEST_UNPACKED: Final = 2 * 1024**3
"""Bytes that are unpacked."""
_MOST_ENTRIES: Final = 100_000
_LARGEST_MANIFEST: Final = 1024**2
_MANIFEST: Final = "package.json"


class TarballReader:
    """Takes a tarball in pieces, and has its package.json when all have come."""

    def __init__(self, most: int = _LARGEST_UNPACKED) -> None:
        """Begin before the first byte; *most* are the bytes that may come when it is unpacked."""
        self._archive = TarReader(_is_manifest, _LARGEST_MANIFEST, most, _MOST_ENTRIES)

    @property
    def manifest(self) -> bytes | None:
        """The text of package.json; npm unpacks a later one over an earlier one, so the last one counts."""
        return self._archive.content

    @property
    def files(self) -> int:
        """How many files there are."""
        return self._archive.files

    @property
    def unpacked(self) -> int:
        """Bytes of all files."""
        return self._archive.unpacked

    def feed(self, piece: bytes) -> None:
        """Take the next bytes; this may take long, so it belongs into a thread.

        Raises:
            ValidationFailedError: they are not those of a tarball, or it is too large when it is unpacked.
        """
        try:
            self._archive.feed(piece)
        except ArchiveError as error:
            raise ValidationFailedError(f"Tarball {error}") from None

    def close(self) -> None:
        """Check that the end has come.

        Raises:
            ValidationFailedError: it has not.
        """
        try:
            self._archive.close()
        except ArchiveError as error:
            raise ValidationFailedError(f"Tarball {error}") from None


def _is_manifest(name: str) -> bool:
    """Return whether the file is package.json when npm unpacks it, which leaves out the first folder."""
    parts = name.replace("\\", "/").split("/")
    return len(parts) > 1 and posixpath.normpath("/".join(parts[1:])) == _MANIFEST
