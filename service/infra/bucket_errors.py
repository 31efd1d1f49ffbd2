"""What a bucket's refusals mean: which may pass, which will not, and which permission is missing."""

import re
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, S3Store

from service.errors import ObjectMissingError, StorageRefusedError, StorageUnavailableError, first_line

FAILURES: Final = (BaseError, OSError)
"""What the library raises; a file that is missing is an OSError."""

_OF_ONE_KEY: Final = "DeleteObjects request failed for key "
"""How the library begins to report one key of a bulk delete on S3."""
_CODE_OF_KEY: Final = re.compile(r" \(code: (\w+)\)")
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_REFUSALS: Final = frozenset({"AccessDenied", "AccountProblem", "AllAccessDisabled", "NotSignedUp"})
_BAD_CREDENTIALS: Final = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"})


class Deed(Enum):
    """What was asked of the bucket."""

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
    if _is_refusal(error):
        return StorageRefusedError(_refusal(error, deed, backend))
    if isinstance(error, BaseError):
        return StorageUnavailableError(first_line(error))
    return error


def is_of_one_key(error: Exception) -> bool:
    """Tell whether S3 took the request as a whole, and failed with one of its keys."""
    return bool(_code_of_key(error))


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, PermissionDeniedError | UnauthenticatedError) or _code_of_key(error) in _REFUSALS


def _code_of_key(error: Exception) -> str:
    _, is_of_one_key, rest = str(error).partition(_OF_ONE_KEY)
    found = _CODE_OF_KEY.search(rest) if is_of_one_key else None
    return found.group(1) if found else ""


def _refusal(error: Exception, deed: Deed, backend: object) -> str:
    found = _CODE.search(str(error))
    code = (found.group(1) if found else _code_of_key(error)) or "the store gives no reason"
    if code in _BAD_CREDENTIALS:
        return f"the credentials are refused ({code})"
    permission = _PERMISSIONS.get(type(backend), {}).get(deed)
    needed = f", which takes the permission {permission}" if permission else ""
    return f"not allowed to {deed.value}{needed} ({code})"
