"""The pom of an artifact: it has to name the artifact at whose path it is."""

from typing import Final

from service.refusals import ValidationFailedError
from service.registries.maven.coordinates import Coordinates, without_build
from service.registries.maven.documents import XmlReader

LARGEST_POM: Final = 4 * 1024 * 1024
"""Bytes of a pom."""
_OWN: Final = ("groupId", "artifactId", "version")
_INHERITED: Final = ("groupId", "version")
_WANTED: Final = frozenset({f"project/{name}" for name in _OWN} | {f"project/parent/{name}" for name in _INHERITED})


class PomReader:
    """Reads the coordinates in a pom while its bytes come."""

    def __init__(self, coordinates: Coordinates) -> None:
        """Begin before the first byte; the *coordinates* are those of its path."""
        self._coordinates = coordinates
        self._document = XmlReader("Pom", root="project", wanted=_WANTED)
        self.feed = self._document.feed

    def check(self) -> None:
        """Compare the coordinates in the pom with those of its path, when all bytes have come.

        A property in the pom, such as `${revision}`, can be anything.

        Raises:
            ValidationFailedError: they differ, or the pom is not complete.
        """
        texts = dict(reversed(self._document.close()))
        found = {name: texts.get(f"project/{name}") or texts.get(f"project/parent/{name}") for name in _OWN}
        expected = {
            "groupId": self._coordinates.group_id,
            "artifactId": self._coordinates.artifact_id,
            "version": self._coordinates.version,
        }
        for name, text in found.items():
            if text and "${" not in text and without_build(text) != expected[name]:
                raise ValidationFailedError(f"Pom has another {name} than its path")


def is_pom(coordinates: Coordinates, file_name: str) -> bool:
    """Return whether the file is the pom of its version, not another file with that ending."""
    return without_build(file_name) == f"{coordinates.artifact_id}-{coordinates.version}.pom"
