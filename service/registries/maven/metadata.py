"""`maven-metadata.xml` of an artifact, of a snapshot and of a group with plugins, each made when it is read."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape

from pydantic import BaseModel, ConfigDict, Field

from service.registries.maven.coordinates import Coordinates, is_checksum
from service.registries.maven.documents import XmlReader

LARGEST_METADATA: Final = 10 * 1024 * 1024
"""Bytes of metadata that a client sends; it lists all versions."""
_PLUGIN: Final = "metadata/plugins/plugin"
_PLUGIN_FIELDS: Final = ("name", "prefix", "artifactId")
_SIGNATURES: Final = frozenset({"asc", "sig"})
_PART: Final = re.compile("[A-Za-z0-9_.-]{1,255}")


class Plugin(BaseModel):
    """A plugin of a group, which Maven finds by its prefix."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    name: str
    prefix: str
    artifact_id: str = Field(alias="artifactId")


class PluginDetails(BaseModel):
    """The facts that are kept with the metadata of a group."""

    model_config = ConfigDict(frozen=True)

    plugins: tuple[Plugin, ...]


@dataclass(frozen=True, slots=True)
class KnownVersion:
    """A version that can be installed, and when its newest file came."""

    version: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """The newest file of a snapshot with one ending, such as `-sources.jar`."""

    ending: str
    timestamp: str | None
    """As in the file's name, `20261129.113535`; None where the name has `SNAPSHOT`."""
    build: int | None
    updated_at: datetime


class MetadataReader:
    """Reads the plugins in metadata while its bytes come."""

    def __init__(self) -> None:
        """Begin before the first byte."""
        wanted = {_PLUGIN, *(f"{_PLUGIN}/{field}" for field in _PLUGIN_FIELDS)}
        self._document = XmlReader("Metadata", root="metadata", wanted=wanted)
        self.feed = self._document.feed

    def plugins(self) -> list[Plugin]:
        """Return the plugins that have a prefix and an artifact, when all bytes have come.

        Raises:
            ValidationFailedError: the document is not complete.
        """
        found, fields = [], dict.fromkeys(_PLUGIN_FIELDS, "")
        for path, text in self._document.close():
            if path != _PLUGIN:
                fields[path.removeprefix(f"{_PLUGIN}/")] = text
                continue
            if _PART.fullmatch(fields["prefix"]) and _PART.fullmatch(fields["artifactId"]):
                found.append(Plugin.model_validate(fields))
            fields = dict.fromkeys(_PLUGIN_FIELDS, "")
        return found


def metadata_of_versions(
    coordinates: Coordinates, versions: Sequence[KnownVersion], plugins: Iterable[Plugin]
) -> str | None:
    """Return the metadata of an artifact, of a group with plugins, or of what is both; None if there is nothing.

    The highest version comes last.
    """
    shown = [known for known in versions if Coordinates.of_file(f"{coordinates.name}/{known.version}")]
    listed = "".join(_lines_of_plugins(plugins))
    if not shown:
        return _document(f"  <plugins>\n{listed}  </plugins>\n") if listed else None
    releases = [known.version for known in shown if not known.version.endswith("-SNAPSHOT")]
    return _document(
        f"{_lines_of_name(coordinates)}"
        f"  <versioning>\n{_line(4, 'latest', shown[-1].version)}"
        f"{_line(4, 'release', releases[-1] if releases else None)}"
        f"    <versions>\n{''.join(_line(6, 'version', known.version) for known in shown)}    </versions>\n"
        f"{_line(4, 'lastUpdated', _digits(max(known.updated_at for known in shown)))}  </versioning>\n"
        + (f"  <plugins>\n{listed}  </plugins>\n" if listed else "")
    )


def metadata_of_snapshot(coordinates: Coordinates, files: Sequence[SnapshotFile]) -> str | None:
    """Return the metadata of a snapshot, which name the newest build of each of its files; None if it has none."""
    found = [file for file in files if not is_checksum(file.ending)]
    if not found:
        return None
    builds = [(file.timestamp, file.build) for file in found if file.timestamp is not None and file.build is not None]
    newest = max(builds, default=None)
    updated = newest[0].replace(".", "") if newest else _digits(max(file.updated_at for file in found))
    snapshot = _line(6, "timestamp", newest[0]) + _line(6, "buildNumber", str(newest[1])) if newest else ""
    return _document(
        f"{_lines_of_name(coordinates)}{_line(2, 'version', coordinates.version)}"
        f"  <versioning>\n"
        + (f"    <snapshot>\n{snapshot}    </snapshot>\n" if snapshot else "")
        + f"{_line(4, 'lastUpdated', updated)}    <snapshotVersions>\n"
        + "".join(_snapshot_version(coordinates, file) for file in found)
        + "    </snapshotVersions>\n  </versioning>\n",
        version="1.1.0",
    )


def _snapshot_version(coordinates: Coordinates, file: SnapshotFile) -> str:
    classifier, extension = _split_ending(file.ending)
    build = "SNAPSHOT" if file.timestamp is None else f"{file.timestamp}-{file.build}"
    updated = file.timestamp.replace(".", "") if file.timestamp else _digits(file.updated_at)
    return (
        "      <snapshotVersion>\n"
        f"{_line(8, 'classifier', classifier)}{_line(8, 'extension', extension)}"
        f"{_line(8, 'value', f'{coordinates.release}-{build}')}{_line(8, 'updated', updated)}"
        "      </snapshotVersion>\n"
    )


def _split_ending(ending: str) -> tuple[str | None, str]:
    """Return classifier and extension of `-sources.jar`; a classifier may have dots, as may `tar.gz` and `jar.asc`."""
    before, _, extension = ending.rpartition(".")
    if extension in _SIGNATURES and "." in before:
        before, _, signed = before.rpartition(".")
        extension = f"{signed}.{extension}"
    if before.endswith(".tar"):
        before, extension = before.removesuffix(".tar"), f"tar.{extension}"
    return before.removeprefix("-") or None, extension


def _lines_of_plugins(plugins: Iterable[Plugin]) -> Iterator[str]:
    for plugin in sorted(plugins, key=lambda plugin: plugin.artifact_id):
        lines = _line(6, "name", plugin.name) + _line(6, "prefix", plugin.prefix)
        yield f"    <plugin>\n{lines}{_line(6, 'artifactId', plugin.artifact_id)}    </plugin>\n"


def _lines_of_name(coordinates: Coordinates) -> str:
    return _line(2, "groupId", coordinates.group_id) + _line(2, "artifactId", coordinates.artifact_id)


def _line(indent: int, element: str, text: str | None) -> str:
    return f"{' ' * indent}<{element}>{escape(text)}</{element}>\n" if text is not None else ""


def _digits(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S")


def _document(lines: str, *, version: str | None = None) -> str:
    attribute = f' modelVersion="{version}"' if version else ""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<metadata{attribute}>\n{lines}</metadata>\n'
