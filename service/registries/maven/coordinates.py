"""Paths of a Maven repository: the package and the version to which a file belongs."""

import re
from dataclasses import dataclass
from typing import Final, Self

from service.refusals import ValidationFailedError

METADATA_FILE: Final = "maven-metadata.xml"
ALGORITHMS: Final = ("md5", "sha1", "sha256", "sha512")
"""Algorithms whose checksums have files of their own, such as `a-1.0.jar.sha1`."""
PATH_RULE: Final = r"@?(?:[A-Za-z0-9_.-]+/)*[A-Za-z0-9_.+-]+"
"""The pattern of folders; GitLab's, with a plus in the last one only."""
FILE_NAME_RULE: Final = r"[A-Za-z0-9._+-]{1,255}"
ALGORITHM_RULE: Final = "|".join(ALGORITHMS)
_LONGEST: Final = 255
_SNAPSHOT: Final = "-SNAPSHOT"
BUILD_RULE: Final = r"[0-9]{8}\.[0-9]{6}-[0-9]{1,9}"
"""The pattern of a build of a snapshot: its time and its number."""
BUILD_IN_NAME: Final = rf"-{BUILD_RULE}(?=[.-]|$)"
"""The pattern of the part of a name that one build of a snapshot has in place of `-SNAPSHOT`."""


@dataclass(frozen=True, slots=True)
class Coordinates:
    """A package in Maven's words."""

    name: str
    """Group and artifact, as folders: `com/example/app`."""
    version: str | None
    """None for metadata that belong to no version."""

    @classmethod
    def of_file(cls, path: str) -> Self | None:
        """Return the package of a file in these folders; None if no file can be there."""
        name, _, version = path.rpartition("/")
        return cls(name, version) if "/" in name and _is_plain(path) else None

    @classmethod
    def of_metadata(cls, path: str) -> Self | None:
        """Return the package that metadata in these folders are about; None if none can be there."""
        if path.endswith(_SNAPSHOT):
            return cls.of_file(path)
        return cls(path, None) if _is_plain(path) else None

    @property
    def group_id(self) -> str:
        """The group, with dots."""
        return self.name.rpartition("/")[0].replace("/", ".")

    @property
    def artifact_id(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]

    @property
    def is_snapshot(self) -> bool:
        """Whether its version has many builds, each with files of its own."""
        return (self.version or "").endswith(_SNAPSHOT)

    @property
    def release(self) -> str:
        """The version without `-SNAPSHOT`."""
        return (self.version or "").removesuffix(_SNAPSHOT)

    def require_short(self) -> None:
        """Check that name and version fit where they are kept.

        Raises:
            ValidationFailedError: they do not.
        """
        for field, value in (("Name", self.name), ("Version", self.version or "")):
            if len(value) > _LONGEST:
                raise ValidationFailedError(f"{field} is too long (maximum is {_LONGEST} characters)")


def without_build(text: str) -> str:
    """Return a file name or a version with `-SNAPSHOT` in place of the build's time and number."""
    return re.sub(BUILD_IN_NAME, _SNAPSHOT, text)


def is_checksum(file_name: str) -> bool:
    """Return whether a file of that name is the checksum of another one."""
    return file_name.rpartition(".")[2] in ALGORITHMS


def _is_plain(path: str) -> bool:
    parts = path.split("/")
    return re.fullmatch(PATH_RULE, path) is not None and not any(part == "." or ".." in part for part in parts)
