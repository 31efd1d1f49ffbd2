"""Failures of a folder: what each means for an object, and for the whole store."""

import errno
from pathlib import Path
from typing import Final

from service.errors import ObjectMissingError, ObjectStuckError, StorageRefusedError, StorageUnavailableError
from service.infra.storage.folder.files import ABSENT

_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM})
_OF_THE_DISK: Final = frozenset(
    {
        errno.EIO,
        errno.EROFS,
        errno.ENODEV,
        errno.ENXIO,
        errno.ESTALE,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
    }
)


def stuck(error: OSError, folder: Path, *, is_away: bool) -> Exception:
    """Return our name for an object that was not removed; *is_away* means that no other was."""
    failure = translated(error, folder)
    if isinstance(failure, StorageUnavailableError) and not (is_away and error.errno in _OF_THE_DISK):
        return ObjectStuckError(str(failure))
    return failure


def translated(error: OSError, folder: Path) -> Exception:
    """Return our name for a failure of the folder."""
    if isinstance(error, ABSENT):
        return ObjectMissingError("there is no such object")
    reason = (error.strerror or str(error)).lower()
    if error.errno in _FORBIDDEN:
        return StorageRefusedError(f"{reason}: this process has no permission to read and write all below {folder}")
    return StorageUnavailableError(f"{reason}, in {folder}")
