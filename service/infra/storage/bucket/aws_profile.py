"""Credentials from the files that Amazon's own tools share, which `obstore` does not read.

Everything else (keys in the environment, web identity, containers, instances) is the library's. A profile that leads
elsewhere (SSO, an assumed role, a credential process) has no keys in the files, and is refused.
"""

from collections.abc import Mapping
from configparser import ConfigParser, Error
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypedDict

from service.errors import StartError

_FRESH_FOR: Final = timedelta(minutes=5)
"""After which the files are read again: a key that was rotated needs no restart."""
_OTHERS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Variables that name other credentials."""
_DEFAULT: Final = "default"


class ProfileKeys(TypedDict):
    """The keys of a profile, by the names that the library gives them."""

    access_key_id: str
    secret_access_key: str
    token: str | None
    expires_at: datetime


class Profile:
    """A profile of the shared files, as the library asks for credentials."""

    def __init__(self, name: str, files: Mapping[Path, str]) -> None:
        """Use the profile *name*; *files* are read for it, each with the name of its section."""
        self._name = name
        self._files = files

    def __call__(self) -> ProfileKeys:
        """Return its keys.

        Raises:
            StartError: there is no such profile, or it has none.
        """
        found = self.read()
        if "aws_access_key_id" not in found or "aws_secret_access_key" not in found:
            places = " or ".join(map(str, self._files))
            raise StartError(f"AWS_PROFILE: the profile {self._name!r} has no keys in {places}")
        return {
            "access_key_id": found["aws_access_key_id"],
            "secret_access_key": found["aws_secret_access_key"],
            "token": found.get("aws_session_token"),
            "expires_at": datetime.now(UTC) + _FRESH_FOR,
        }

    def read(self) -> Mapping[str, str]:
        """Return the values of the profile in the files; the first file that has a value counts."""
        found: dict[str, str] = {}
        for path, section in self._files.items():
            parser = ConfigParser(interpolation=None, default_section="")
            try:
                parser.read(path, encoding="utf-8")
            except (Error, OSError, UnicodeDecodeError):
                raise StartError(f"AWS_PROFILE: {path} cannot be read") from None
            found = {**(parser[section] if parser.has_section(section) else {}), **found}
        return found


def find_profile(environment: Mapping[str, str]) -> Profile | None:
    """Return the profile that AWS_PROFILE names, or the default one where nothing else gives credentials.

    Raises:
        StartError: the named profile has no keys.
    """
    if "AWS_ACCESS_KEY_ID" in environment:
        return None
    name = environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE")
    if not name and any(other in environment for other in _OTHERS):
        return None
    home = Path(environment.get("HOME", "/")) / ".aws"
    chosen = name or _DEFAULT
    files = {
        Path(environment.get("AWS_SHARED_CREDENTIALS_FILE", home / "credentials")): chosen,
        Path(environment.get("AWS_CONFIG_FILE", home / "config")): (
            chosen if chosen == _DEFAULT else f"profile {chosen}"
        ),
    }
    profile = Profile(chosen, files)
    if name:
        profile()
        return profile
    return profile if "aws_access_key_id" in profile.read() else None
