"""Checksums that a client gives for the bytes that it sends, in the headers that clients use for them."""

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from aiohttp import web

from service.refusals import BadParametersError

LENGTHS: Final = MappingProxyType({"md5": 16, "sha1": 20, "sha256": 32})
"""Algorithm -> bytes of its checksums."""

_PLAIN: Final = MappingProxyType(
    {
        "X-Checksum-SHA256": ("sha256", bytes.fromhex),
        "X-Checksum-SHA1": ("sha1", bytes.fromhex),
        "X-Checksum-MD5": ("md5", bytes.fromhex),
        "Content-MD5": ("md5", lambda text: b64decode(text, validate=True)),
    }
)
"""Header -> algorithm, and how the value is written."""
_OF_DIGESTS: Final = MappingProxyType({"sha-256": "sha256", "sha": "sha1", "md5": "md5"})
"""Names of algorithms in digest fields (RFC 9530, and RFC 3230 before it); others are passed over."""
_NAME: Final = re.compile(r"[A-Za-z0-9*._-]+")


def read_checksums(request: web.Request) -> Mapping[str, bytes]:
    """Return the checksums that the client sent, by algorithm (md5, sha1, sha256); the last one of each counts.

    Raises:
        BadParametersError: a header cannot be read.
    """
    found = {}
    for header, (algorithm, read) in _PLAIN.items():
        if header in request.headers:
            found[algorithm] = _read(header, algorithm, request.headers[header].strip(), read)
    for header in ("Digest", "Content-Digest", "Repr-Digest"):
        for text in request.headers.getall(header, ()):
            for algorithm, value in _members(header, text):
                found[algorithm] = _read(header, algorithm, value, _PLAIN["Content-MD5"][1])
    return found


def _members(header: str, text: str) -> Iterator[tuple[str, str]]:
    for member in text.split(","):
        name, equals, value = member.strip().partition("=")
        is_in_colons = len(value) > 1 and value.startswith(":") and value.endswith(":")
        plain = value[1:-1] if is_in_colons else value
        if not equals or not _NAME.fullmatch(name) or ":" in plain:
            raise BadParametersError(f"{header} is invalid")
        if name.lower() in _OF_DIGESTS:
            yield _OF_DIGESTS[name.lower()], plain


def _read(header: str, algorithm: str, text: str, read: Callable[[str], bytes]) -> bytes:
    try:
        value = read(text)
    except (Error, ValueError):
        value = b""
    if len(value) != LENGTHS[algorithm]:
        raise BadParametersError(f"{header} is invalid")
    return value
