"""The meaning of a bucket's refusals: which may pass, which will not, and which permission is missing."""

import re
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, S3Store

from service.errors import ObjectMissingError, StorageRefusedError, StorageUnavailableError, first_line

FAILURES: Final = (BaseError, OSError)
"""The errors that the library raises; a file that is missing is an OSError."""

_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
REFUSALS: Final = frozenset({"AccessDenied", "AccountProblem", "AllAccessDisabled", "NotSignedUp"})
"""Codes of S3 for what will not be done, however often it is asked."""

_THROTTLED: Final = re.compile(r"SlowDown|RequestLimitExceeded|Throttling|TooManyRequests|429 Too Many Requests")
_BAD_CREDENTIALS: Final = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"})


class Deed(Enum):
    """The request to the bucket."""

    READ = "read objects"
    LIST = "list objects"
    WRITE = "write objects"
    DELETE = "delete objects"


_OF_S3: Final = MappingProxyType(
    {
        Deed.READ: "s3:GetObject and s3:ListBucket",
        Deed.LIST: "s3:ListBucket",
        Deed.WRITE: "s3:PutObject and s3:AbortMultipartUpload",
        Deed.DELETE: "s3:DeleteObject",
    }
)
_OF_GOOGLE: Final = MappingProxyType(
    {
        Deed.READ: "storage.objects.get",
        Deed.LIST: "storage.objects.list",
        Deed.WRITE: "storage.objects.create",
        Deed.DELETE: "storage.objects.delete",
    }
)
_BLOBS: Final = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
_OF_AZURE: Final = MappingProxyType(
    {
        Deed.READ: f"{_BLOBS}/read",
        Deed.LIST: f"{_BLOBS}/read",
        Deed.WRITE: f"{_BLOBS}/write",
        Deed.DELETE: f"{_BLOBS}/delete",
    }
)
_PERMISSIONS: Final[Mapping[type, Mapping[Deed, str]]] = MappingProxyType(
    {S3Store: _OF_S3, GCSStore: _OF_GOOGLE, AzureStore: _OF_AZURE}
)


def translated(error: Exception, deed: Deed, *, backend: object) -> Exception:
    """Return our name for a failure; what is none of the library's, such as a client that went away, stays itself."""
    if isinstance(error, FileNotFoundError):
        return ObjectMissingError(first_line(error))
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        found = _CODE.search(str(error))
        return refused(found.group(1) if found else "", deed, backend_type=type(backend))
    if isinstance(error, BaseError):
        return StorageUnavailableError(first_line(error))
    return error


def refused(code: str, deed: Deed, *, backend_type: type) -> StorageRefusedError:
    """Return our name for a refusal with that code of the store's; it names the permission that is missing."""
    reason = code or "the store gives no reason"
    if code in _BAD_CREDENTIALS:
        return StorageRefusedError(f"the credentials are refused ({reason})")
    permission = _PERMISSIONS.get(backend_type, {}).get(deed)
    needed = f", which takes the permission {permission}" if permission else ""
    return StorageRefusedError(f"not allowed to {deed.value}{needed} ({reason})")


def is_throttled(error: Exception) -> bool:
    """Return whether the store asks for fewer requests."""
    return bool(_THROTTLED.search(str(error)))
