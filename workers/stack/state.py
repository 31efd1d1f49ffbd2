"""The state that a data folder keeps between runs: ports and passwords."""

import errno
import json
import random
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from service.errors import StartError
from workers.stack.files import write_private

LOOPBACK: Final = "127.0.0.1"

_PORTS: Final = range(10_000, 32_768)
"""Ports below the range that Linux takes for outgoing connections."""
_TRIES: Final = 500


class _Known(BaseModel):
    ports: dict[str, int] = {}
    secrets: dict[str, str] = {}


class StackState:
    """Ports and passwords under names, kept in a file that only its owner may read."""

    def __init__(self, path: Path) -> None:
        """Read the file, if it is there.

        Raises:
            StartError: it cannot be read, or holds something else.
        """
        self._path = path
        try:
            known = _Known.model_validate_json(path.read_bytes()) if path.exists() else _Known()
        except ValidationError:
            raise StartError(f"{path}: should be JSON with the ports and passwords of this folder's servers") from None
        except OSError as error:
            raise StartError(f"{path}: {(error.strerror or str(error)).lower()}") from error
        self._ports = known.ports
        self._secrets = known.secrets

    def port(self, name: str) -> int:
        """Return the port of *name*: the one of the last run if it is still free, else a new one."""
        known = self._ports.get(name)
        if known is None or not is_free(known):
            self._ports[name] = known = _new_port(set(self._ports.values()))
            self._save()
        return known

    def secret(self, name: str, *, size: int = 16) -> str:
        """Return the password of *name*, made at the first call of *size* random bytes."""
        if name not in self._secrets:
            self._secrets[name] = secrets.token_hex(size)
            self._save()
        return self._secrets[name]

    def has_secret(self, name: str) -> bool:
        """Return whether the password of *name* was made before."""
        return name in self._secrets

    def _save(self) -> None:
        write_private(self._path, json.dumps({"ports": self._ports, "secrets": self._secrets}, indent=2) + "\n")


def is_free(port: int) -> bool:
    """Return whether nobody listens on *port* of this machine's own address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port on which nobody listens now, and which the system gives to no outgoing connection.

    Raises:
        OSError: none can be found.
    """
    # At random, so that two runs that search at the same time find different ones.
    for port in random.sample(_PORTS, _TRIES):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port
    raise OSError(errno.EADDRINUSE, "no free port was found")


def _new_port(taken: set[int]) -> int:
    while (port := free_port()) in taken:
        pass
    return port
