"""Secrets that come as files, as a cluster mounts them: read anew whenever they are used."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr
from typing_extensions import override

_HOST: Final = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*)?")

log = structlog.get_logger()


def has_readable_hosts(url: str) -> bool:
    """Return whether the hosts of an address, with commas between them, can be separated from its user and password.

    A password that is not percent-encoded may end the host too early; a parser would then quote a part of it.
    """
    try:
        hosts = urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return False
    return all(_HOST.fullmatch(host) for host in hosts.split(","))


class SecretFile(SecretStr):
    """A secret that is what its file says now, so that a rotated password needs no restart."""

    def __init__(self, path: Path) -> None:
        """Read it for the first time.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is no text.
        """
        super().__init__(_read(path))
        self.path = path
        self._is_good = True

    @override
    def get_secret_value(self) -> str:
        """Return the secret of now; while the file is gone, or holds no such address as before, the last good one."""
        try:
            current = _read(self.path)
        except (OSError, ValueError):
            current = ""
        is_good = _kind(current) == _kind(self._secret_value) and has_readable_hosts(current)
        if is_good:
            self._secret_value = current
        elif self._is_good:
            log.warning("secret_file_unusable", path=str(self.path), reason="the last good secret stays in use")
        self._is_good = is_good
        return self._secret_value


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def _kind(secret: str) -> str:
    return secret.partition("://")[0]
