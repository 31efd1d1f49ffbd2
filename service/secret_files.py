"""Secrets that come as files, as a cluster mounts them: read anew whenever they are used."""

from pathlib import Path

from pydantic import SecretStr
from typing_extensions import override


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

    @override
    def get_secret_value(self) -> str:
        """Return the secret of now; while the file is gone or is of another kind than before, the last good one."""
        try:
            current = _read(self.path)
        except (OSError, ValueError):
            return self._secret_value
        if _kind(current) == _kind(self._secret_value):
            self._secret_value = current
        return self._secret_value


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def _kind(secret: str) -> str:
    return secret.partition("://")[0]
