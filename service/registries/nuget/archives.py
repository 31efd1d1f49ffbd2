"""Reading a packed NuGet package that somebody sent: a zip archive of which only the nuspec matters."""

import zipfile
from typing import Final
from urllib.parse import unquote

from service.refusals import ValidationFailedError
from service.registries.archives.errors import ArchiveError
from service.registries.archives.stored_file import StoredFile
from service.registries.archives.zips import entries_of, read_entry
from service.registries.nuget.nuspec import Nuspec, read_nuspec

_MOST_ENTRIES: Final = 10_000
_LARGEST_UNPACKED: Final = 4 * 1024**3
_LARGEST_NUSPEC: Final = 1024 * 1024
_SUFFIX: Final = ".nuspec"


def read_package(file: StoredFile) -> Nuspec:
    """Read the nuspec of a package, in a thread.

    Raises:
        ValidationFailedError: it is no archive, its entries break a rule, or it has not exactly one good nuspec.
    """
    try:
        entry = _nuspec_among(entries_of(file))
        _, text = read_entry(file, entry, largest=_LARGEST_NUSPEC)
    except ArchiveError as error:
        raise ValidationFailedError(f"Package {error}") from None
    return read_nuspec(text)


def _nuspec_among(entries: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    if len(entries) > _MOST_ENTRIES:
        raise ArchiveError(f"has too many files (maximum is {_MOST_ENTRIES})")
    if sum(entry.file_size for entry in entries) > _LARGEST_UNPACKED:
        raise ArchiveError("is too large when it is unpacked (maximum is 4 GiB)")
    if not all(_stays_inside(entry.filename) for entry in entries):
        raise ArchiveError("has an entry that leads out of its folder")
    found = [entry for entry in entries if _is_nuspec(entry.filename)]
    if len(found) != 1:
        raise ArchiveError(f"should have one nuspec in its root, and has {len(found)}")
    return found[0]


def _is_nuspec(path: str) -> bool:
    return "/" not in path and "\\" not in path and path.lower().endswith(_SUFFIX)


def _stays_inside(path: str) -> bool:
    # Clients unquote the names of entries before they write files.
    parts = unquote(path).replace("\\", "/").split("/")
    return parts[0] != "" and ".." not in parts and ":" not in parts[0]
