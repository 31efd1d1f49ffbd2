"""Reading a chart that somebody sent: a compressed archive of which only `<name>/Chart.yaml` matters."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from service.refusals import ValidationFailedError
from service.registries.archives.errors import ArchiveError
from service.registries.archives.tars import TarReader

_LARGEST_UNPACKED: Final = 64 * 1024 * 1024
"""Bytes of a chart when it is unpacked."""
_MOST_ENTRIES: Final = 10_000
_LARGEST_METADATA: Final = 64 * 1024
"""Bytes of Chart.yaml."""
_PIECE: Final = 64 * 1024
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
        return chart_file_name(self.name, self.version)


def chart_file_name(name: str, version: str) -> str:
    """Return the name of the archive of a chart."""
    return f"{name}-{version}.tgz"


def is_name(text: str) -> bool:
    """Return whether the text can name a chart or a channel."""
    return len(text) <= _LONGEST and _NAME.fullmatch(text) is not None


def read_chart(archive: bytes) -> Chart:
    """Read the metadata of a packed chart; this takes up to a second, so it belongs into a thread.

    Raises:
        ValidationFailedError: it is no chart, or its metadata break a rule.
    """
    from service.registries.helm.chart_yaml import parsed  # 5 MiB that only a process needs where charts are published

    metadata = parsed(_metadata_of(archive))
    name, version = metadata.get("name"), metadata.get("version")
    if metadata.get("apiVersion") not in _FORMATS:
        raise ValidationFailedError("Chart.yaml: apiVersion should be v1 or v2")
    if not isinstance(name, str) or not is_name(name):
        raise ValidationFailedError("Name is invalid")
    if not isinstance(version, str) or len(version) > _LONGEST or not _VERSION.fullmatch(version):
        raise ValidationFailedError("Version is invalid")
    return Chart(name, version, metadata)


def _metadata_of(archive: bytes) -> bytes:
    reader = TarReader(_is_metadata, _LARGEST_METADATA, _LARGEST_UNPACKED, _MOST_ENTRIES)
    try:
        for start in range(0, len(archive), _PIECE):
            reader.feed(archive[start : start + _PIECE])
        reader.close()
    except ArchiveError as error:
        raise ValidationFailedError(f"Chart {error}") from None
    if reader.content is None:
        raise ValidationFailedError("Chart has no Chart.yaml in its folder")
    return reader.content


def _is_metadata(path: str) -> bool:
    # Charts below it have a Chart.yaml too, deeper.
    _, _, below = path.removeprefix("./").partition("/")
    return below == "Chart.yaml"
