"""Reading a chart that somebody sent: a compressed archive of which only `<name>/Chart.yaml` matters."""

import gzip
import json
import re
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from typing_extensions import override

from service.refusals import ValidationFailedError

_LARGEST_UNPACKED: Final = 64 * 1024 * 1024
"""Bytes that are unpacked in search of Chart.yaml."""
_MOST_ENTRIES: Final = 10_000
_LARGEST_METADATA: Final = 64 * 1024
"""Bytes of Chart.yaml."""
_MOST_EVENTS: Final = 3_000
"""Keys, values and beginnings and ends of collections; reading 10,000 takes a second of the interpreter."""
_DEEPEST: Final = 50
_LONGEST: Final = 255
NAME_RULE: Final = "[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*"
"""The pattern of the name of a chart or a channel."""
_NAME: Final = re.compile(NAME_RULE)
_NUMBER: Final = r"(?:0|[1-9][0-9]*)"
_WORD: Final = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION: Final = re.compile(
    rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_WORD}(?:\.{_WORD})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
"""Semantic versions, with an optional v."""
_FORMATS: Final = frozenset({"v1", "v2"})


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart whose metadata keep to the rules."""

    name: str
    version: str
    metadata: Mapping[str, object]
    """All of Chart.yaml, as JSON has it."""

    @property
    def file_name(self) -> str:
        """The name under which the archive is kept, however it was sent."""
        return f"{self.name}-{self.version}.tgz"


def is_name(text: str) -> bool:
    """Return whether the text can name a chart or a channel."""
    return len(text) <= _LONGEST and _NAME.fullmatch(text) is not None


def read_chart(archive: bytes) -> Chart:
    """Read the metadata of a packed chart; this takes up to a second, so it belongs into a thread.

    Raises:
        ValidationFailedError: it is no chart, or its metadata break a rule.
    """
    metadata = _parsed(_metadata_of(archive))
    name, version = metadata.get("name"), metadata.get("version")
    if metadata.get("apiVersion") not in _FORMATS:
        raise ValidationFailedError("Chart.yaml: apiVersion should be v1 or v2")
    if not isinstance(name, str) or not is_name(name):
        raise ValidationFailedError("Name is invalid")
    if not isinstance(version, str) or len(version) > _LONGEST or not _VERSION.fullmatch(version):
        raise ValidationFailedError("Version is invalid")
    return Chart(name, version, metadata)


class _Bounded(gzip.GzipFile):
    """A decompressed stream that ends with an error when it is too long."""

    _left = _LARGEST_UNPACKED

    @override
    def read(self, size: int | None = -1) -> bytes:
        wanted = self._left + 1 if size is None or size < 0 else min(size, self._left + 1)
        found = super().read(wanted)
        self._left -= len(found)
        if self._left < 0:
            raise ValidationFailedError("Chart is too large when it is unpacked (maximum is 64 MiB)")
        return found


def _metadata_of(archive: bytes) -> bytes:
    try:
        with _Bounded(fileobj=BytesIO(archive)) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as entries:
            for number, entry in enumerate(entries):
                if number >= _MOST_ENTRIES:
                    raise ValidationFailedError(f"Chart has too many files (maximum is {_MOST_ENTRIES})")
                if _is_metadata(entry):
                    return _content(entries.extractfile(entry), entry.size)
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, OverflowError):
        raise ValidationFailedError("Chart should be a gzip-compressed tar archive") from None
    raise ValidationFailedError("Chart has no Chart.yaml in its folder")


def _is_metadata(entry: tarfile.TarInfo) -> bool:
    # Charts below it have a Chart.yaml too, deeper.
    parts = entry.name.removeprefix("./").split("/")
    return entry.isreg() and len(parts) == 2 and parts[1] == "Chart.yaml"  # noqa: PLR2004 - folder and file


def _content(file: IO[bytes] | None, size: int) -> bytes:
    if file is None or size > _LARGEST_METADATA:
        raise ValidationFailedError("Chart.yaml is too large (maximum is 64 KiB)")
    return file.read()


def _require_plain(text: str) -> None:
    """Refuse YAML that takes long to read, or unfolds to any size; the events come one by one."""
    depth = 0
    for number, event in enumerate(YAML(typ="safe", pure=True).parse(text)):
        if number >= _MOST_EVENTS:
            raise ValidationFailedError(f"Chart.yaml has too many parts (maximum is {_MOST_EVENTS})")
        if isinstance(event, AliasEvent):
            raise ValidationFailedError("Chart.yaml should have no alias")
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValidationFailedError(f"Chart.yaml is nested too deeply (maximum is {_DEEPEST})")


def _parsed(text: bytes) -> Mapping[str, object]:
    try:
        _require_plain(text.decode())
        found = json.loads(json.dumps(YAML(typ="safe", pure=True).load(text.decode()), default=str, allow_nan=False))
    except (YAMLError, ValueError, TypeError, RecursionError):
        raise ValidationFailedError("Chart.yaml is no YAML that can be read") from None
    if not isinstance(found, dict):
        raise ValidationFailedError("Chart.yaml should be a mapping")
    if "\\u0000" in json.dumps(found):
        raise ValidationFailedError("Chart.yaml should have no NUL character")
    return found
