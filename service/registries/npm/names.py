"""Names, versions, tags and file names of npm packages, as GitLab and semantic versioning have them."""

import re
from typing import Final

from service.refusals import ValidationFailedError

_LONGEST: Final = 255
_NAME: Final = re.compile(r"(?:@[A-Za-z0-9_](?:[A-Za-z0-9_.-]*)/)?[A-Za-z0-9_.+-]+")
"""An optional scope, and a name; letters may be of either case."""
_NUMBER: Final = r"(?:0|[1-9][0-9]*)"
_WORD: Final = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION: Final = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_WORD}(?:\.{_WORD})*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
"""Semantic Versioning 2.0.0."""
_PART: Final = r"(?:[0-9]+|[xX*])"
_RANGE: Final = re.compile(rf"[v=]*{_PART}(?:\.{_PART}){{0,2}}|v?[0-9]+\.[0-9]+\.[0-9]+[-+].*")
"""A version or a range of versions, which npm reads as such and never as a tag."""
_TAG: Final = re.compile(r"[A-Za-z0-9_.-]+")
_FILE: Final = re.compile(r"[A-Za-z0-9@/_.+-]+")
_SUFFIX: Final = ".tgz"


def is_name(name: str) -> bool:
    """Return whether npm packages can have that name."""
    is_allowed = len(name) <= _LONGEST and _NAME.fullmatch(name) is not None
    return is_allowed and name.rpartition("/")[2] not in {".", ".."}


def require_name(name: str) -> None:
    """Raise ValidationFailedError if npm packages cannot have that name."""
    if not is_name(name):
        raise ValidationFailedError(
            "Name should be a valid NPM package name: letters, digits and - + . _ after a scope"
        )


def require_version(version: str) -> None:
    """Raise ValidationFailedError if it is no semantic version."""
    if len(version) > _LONGEST or not _VERSION.fullmatch(version):
        raise ValidationFailedError("Version should follow SemVer: https://semver.org")


def require_tag(tag: str) -> None:
    """Raise ValidationFailedError if a tag cannot have that name, or npm would read it as a range of versions."""
    if len(tag) > _LONGEST or not _TAG.fullmatch(tag) or _RANGE.fullmatch(tag):
        raise ValidationFailedError("Tag should be a name, and no version or range of versions")


def is_release(version: str) -> bool:
    """Return whether it is no pre-release."""
    return "-" not in version.partition("+")[0]


def scope_of(name: str) -> str:
    """Return the scope of a name without its @; empty if it has none."""
    scope, slash, _ = name.partition("/")
    return scope[1:] if slash and scope.startswith("@") else ""


def file_name_of(name: str, version: str) -> str:
    """Return the name of the one file of a package; that of a scoped package contains the scope, as GitLab's does."""
    return f"{name}-{version}{_SUFFIX}"


def possible_files(name: str, asked: str) -> list[str]:
    """Return the names under which a file may be kept that a client asks for with or without the scope.

    There are none if no tarball can have that name.
    """
    if not _FILE.fullmatch(asked):
        return []
    base = asked.rpartition("/")[2]
    scope = scope_of(name)
    return list(dict.fromkeys([asked, f"@{scope}/{base}" if scope else base, base]))


def is_tarball(file_name: str) -> bool:
    """Return whether the name of an attachment is that of a tarball."""
    return file_name.endswith(_SUFFIX)
