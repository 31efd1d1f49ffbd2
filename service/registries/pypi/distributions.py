"""Reading the metadata inside a wheel or a source archive, and comparing them with the form that came along."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from zipfile import ZipInfo

from packaging.utils import canonicalize_name, canonicalize_version
from pydantic import BaseModel, ConfigDict

from service.refusals import ValidationFailedError
from service.registries.archives.errors import ArchiveError
from service.registries.archives.stored_file import StoredFile
from service.registries.archives.tars import read_tar_entry
from service.registries.archives.zips import ZipEntry, entries_of, read_entry

_LARGEST: Final = 1024 * 1024
"""Bytes of METADATA or PKG-INFO."""
_LONGEST: Final = 255
_DEPTH: Final = 2
"""Parts of the path of METADATA or PKG-INFO: folder and file."""
_WHEEL_FOLDER: Final = ".dist-info"
_FIELD: Final = re.compile(r"(Name|Version|Requires-Python|Metadata-Version):([^\r]*)\r?", re.IGNORECASE)


class StoredMetadata(BaseModel):
    """Where METADATA is in a stored wheel, so that it can be served without the rest (PEP 658)."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    """Hexadecimal digest of the unpacked text."""
    start: int
    end: int
    size: int
    is_deflated: bool

    @classmethod
    def at(cls, place: ZipEntry, text: bytes) -> Self:
        """Describe the text at that place."""
        return cls(
            sha256=hashlib.sha256(text).hexdigest(),
            start=place.start,
            end=place.end,
            size=place.size,
            is_deflated=place.is_deflated,
        )

    @property
    def place(self) -> ZipEntry:
        """The place in the wheel."""
        return ZipEntry(self.start, self.end, self.size, is_deflated=self.is_deflated)


@dataclass(frozen=True, slots=True)
class Distribution:
    """The facts inside a file."""

    name: str
    version: str
    requires_python: str | None
    stored_metadata: StoredMetadata | None
    """None for source archives: only a wheel's metadata are those of what gets installed."""

    def check(self, *, name: str, version: str) -> None:
        """Compare the file with the form.

        Raises:
            ValidationFailedError: they name different packages.
        """
        is_same_version = canonicalize_version(self.version) == canonicalize_version(version)
        if canonicalize_name(self.name) != canonicalize_name(name) or not is_same_version:
            raise ValidationFailedError("Name or version inside the file is another than that of the form")


def read_distribution(file: StoredFile, file_name: str) -> Distribution:
    """Read a wheel, or a source archive by the ending of its name; this belongs into a thread.

    Raises:
        ValidationFailedError: it is no such file, or has no metadata that can be read.
    """
    try:
        if file_name.endswith(".whl"):
            return _read_wheel(file)
        return _read_source(file, file_name)
    except ArchiveError as error:
        raise ValidationFailedError(f"File {error}") from None


def _read_wheel(file: StoredFile) -> Distribution:
    entry = _only(
        [entry for entry in entries_of(file) if _is_in_folder(entry.filename, "METADATA", suffix=_WHEEL_FOLDER)],
        "METADATA in its .dist-info folder",
    )
    place, text = read_entry(file, entry, largest=_LARGEST)
    return _described(text, StoredMetadata.at(place, text))


def _read_source(file: StoredFile, file_name: str) -> Distribution:
    if file_name.endswith(".zip"):
        found = [entry for entry in entries_of(file) if _is_in_folder(entry.filename, "PKG-INFO")]
        _, text = read_entry(file, _only(found, "PKG-INFO in its folder"), largest=_LARGEST)
        return _described(text, None)
    content = read_tar_entry(file, lambda name: _is_in_folder(name.removeprefix("./"), "PKG-INFO"), largest=_LARGEST)
    if content is None:
        raise ArchiveError("has no PKG-INFO in its folder")
    return _described(content, None)


def _only(found: list[ZipInfo], what: str) -> ZipInfo:
    if not found:
        raise ArchiveError(f"has no {what}")
    if len(found) > 1:
        raise ArchiveError(f"has more than one {what}")
    return found[0]


def _is_in_folder(path: str, name: str, *, suffix: str = "") -> bool:
    parts = path.split("/")
    return len(parts) == _DEPTH and parts[1] == name and parts[0].endswith(suffix)


def _described(text: bytes, stored: StoredMetadata | None) -> Distribution:
    fields = _fields_of(text)
    return Distribution(fields["name"], fields["version"], fields.get("requires-python") or None, stored)


def _fields_of(text: bytes) -> Mapping[str, str]:
    """Return the fields that are wanted, by their names in lower case; a line that is folded ends a field."""
    try:
        lines = text.decode().split("\n")
    except UnicodeDecodeError:
        raise ArchiveError("has metadata that are no UTF-8") from None
    found: dict[str, str] = {}
    for line in lines:
        if not line.strip():
            break
        if match := _FIELD.fullmatch(line):
            name = match[1].lower()
            if name in found:
                raise ArchiveError(f"has metadata with more than one {match[1]}")
            found[name] = match[2].strip()
    if len(found.get("name", "")) > _LONGEST or len(found.get("version", "")) > _LONGEST:
        raise ArchiveError(f"has metadata whose Name or Version is too long (maximum is {_LONGEST} characters)")
    if not (found.get("metadata-version") and found.get("name") and found.get("version")):
        raise ArchiveError("has metadata without Metadata-Version, Name or Version")
    return found
