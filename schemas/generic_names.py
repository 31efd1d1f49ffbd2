"""Allowed names of generic packages and their files: one rule for uploads, imports and renames."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

_SEPARATOR: Final = "/"
_FOLDER: Final = r"(?!\.{1,2}(?:/|$))[^/\\%\x00-\x1f\x7f]{1,255}"
"""Without any character that could lead elsewhere, in whatever encoding."""


@dataclass(frozen=True, slots=True)
class NameRule:
    """The pattern that one part of a generic package's address has to match as a whole."""

    pattern: str
    text: str
    """The same for people; follows `should be`."""

    def allows(self, value: str) -> bool:
        """Return whether the value keeps to the rule."""
        return re.fullmatch(self.pattern, value) is not None


PACKAGE_NAME: Final = NameRule(
    r"(?!\.{1,2}$)[A-Za-z0-9._+-]{1,255}", "letters, digits and `._+-`, and neither `.` nor `..`"
)
VERSION: Final = NameRule(
    r"(?!\.$|.*\.\.)[A-Za-z0-9_.+-]{1,255}", "letters, digits and `_.+-`, without two dots in a row"
)
FILE_NAME: Final = NameRule(
    r"(?!\.{1,2}$|~)[A-Za-z0-9._+~-]{1,255}(?<!~)",
    "letters, digits and `._+~-`, and neither `.` nor `..`, with `~` neither first nor last",
)
FOLDERS: Final = NameRule(rf"{_FOLDER}(?:/{_FOLDER}){{0,19}}", "at most 20 folders that lead nowhere else")


def stored_name(folders: str, file_name: str) -> str:
    """Return the one name under which a file below folders (`a/b`; or none) is kept: that of GitLab's encoding."""
    if not folders:
        return file_name
    # That of a URI's component, of which only `*-._` are no part.
    return quote(f"{folders}{_SEPARATOR}{file_name}", safe="*").replace("~", "%7E")


def allows_stored_name(name: str) -> bool:
    """Return whether an upload could have stored a file under that name."""
    folders, _, file_name = unquote(name).rpartition(_SEPARATOR)
    is_allowed = FILE_NAME.allows(file_name) and (not folders or FOLDERS.allows(folders))
    return is_allowed and stored_name(folders, file_name) == name
