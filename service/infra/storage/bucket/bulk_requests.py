"""S3's bulk delete (DeleteObjects), with the answer for each key.

`obstore` takes a key that the answer does not name for removed, and reports one failure at most. Requests are
therefore sent here; `obstore` signs them, with whichever credentials it has found.
"""

import asyncio
import base64
import hashlib
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import SystemRandom
from typing import Final
from xml.sax.saxutils import escape

import aiohttp
import obstore
from obstore.store import S3Store
from typing_extensions import override
from yarl import URL

from service.errors import PackyardError, StorageUnavailableError
from service.infra.storage.bucket.errors import FAILURES, REFUSALS, Deed, refused
from service.infra.storage.interface import READ_CHUNK

_CHANCE: Final = SystemRandom()
_NAMESPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"
_VALID_FOR: Final = timedelta(minutes=15)
"""How long a signature is good: as long as S3 lets a clock be wrong."""
_LONGEST_ANSWER: Final = 4 * 1024 * 1024
_OK: Final = 200
_FORBIDDEN: Final = frozenset({401, 403})
_TOO_MANY: Final = 429
_MAY_PASS: Final = frozenset({_TOO_MANY, 500, 502, 503, 504})
_THROTTLED: Final = frozenset({"SlowDown", "RequestLimitExceeded", "Throttling", "ThrottlingException"})
_FIRST_PAUSE_S: Final = 0.2
_NOWHERE: Final = "x"


class BulkRefusedError(PackyardError):
    """The bucket does not carry out the bulk request as a whole; it may remove single objects all the same."""

    def __init__(self, reason: str, *, is_forbidden: bool = False) -> None:
        """Say that it was forbidden, which the credentials may be the reason of."""
        super().__init__(reason)
        self.is_forbidden = is_forbidden


@dataclass(frozen=True, slots=True)
class Access:
    """How a bucket of S3 is reached."""

    opening: Callable[[str | None], S3Store]
    """Opens the bucket without any prefix; an address given to it takes the place of the bucket's own."""

    prefix: str
    """The beginning of every key in the bucket; empty, or without slashes at its ends."""

    connect_timeout: timedelta
    request_timeout: timedelta
    """How long an answer may take, and how long after the first try another may begin."""

    retries: int


@dataclass(frozen=True, slots=True)
class BulkAnswer:
    """The answer of the bucket for each key."""

    removed: frozenset[str]
    """Keys that were removed or did not exist, each named in the answer."""

    refusals: dict[str, Exception]
    """Those that will never be removed with this permission; a key that is in neither may be removed by itself."""


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    root: ET.Element | None
    """The document; None where the body has none."""

    @property
    def code(self) -> str:
        """The code of an error that is about the whole request; empty where there is none."""
        if self.root is None or _plain(self.root.tag) != "Error":
            return ""
        return _text(self.root, "Code")

    @property
    def is_result(self) -> bool:
        return self.status == _OK and self.root is not None and _plain(self.root.tag) == "DeleteResult"

    @property
    def may_pass(self) -> bool:
        return self.status in _MAY_PASS or self.code in {"InternalError", *_THROTTLED}

    @property
    def is_throttled(self) -> bool:
        return self.status == _TOO_MANY or self.code in _THROTTLED

    @override
    def __str__(self) -> str:
        return f"status {self.status}, {self.code or 'no code'}"


class BulkRequests:
    """Bulk deletes of one bucket."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._signing: S3Store | None = None

    async def delete(self, keys: Sequence[str]) -> BulkAnswer:
        """Ask for the removal of at most 1,000 objects.

        Raises:
            BulkRefusedError: the request failed as a whole, or the answer names no key.
            StorageUnavailableError: the bucket is not there, or asks for fewer requests.
        """
        reply = await self._ask(self._body(keys))
        if reply.code == "NoSuchBucket":
            raise StorageUnavailableError("the bucket is not there")
        if reply.is_throttled:
            raise StorageUnavailableError(f"the object store asks for fewer requests ({reply})")
        if not reply.is_result or reply.root is None:
            raise BulkRefusedError(f"no bulk delete is served ({reply})", is_forbidden=reply.status in _FORBIDDEN)
        return self._read(reply.root)

    def _body(self, keys: Sequence[str]) -> bytes:
        objects = "".join(f"<Object><Key>{escape(self._path(key))}</Key></Object>" for key in keys)
        return f'<Delete xmlns="{_NAMESPACE}">{objects}</Delete>'.encode()

    def _path(self, key: str) -> str:
        return f"{self._access.prefix}/{key}" if self._access.prefix else key

    def _key(self, path: str) -> str:
        return path.removeprefix(self._path(""))

    async def _ask(self, body: bytes) -> _Reply:
        loop = asyncio.get_running_loop()
        last = loop.time() + self._access.request_timeout.total_seconds()
        pause = _FIRST_PAUSE_S
        for retries_left in reversed(range(self._access.retries + 1)):
            reply, reason = await self._try(body)
            is_last = not retries_left or loop.time() + pause >= last
            if reply is not None and (is_last or not reply.may_pass):
                return reply
            if is_last:
                raise BulkRefusedError(f"no answer to a bulk delete ({reason})")
            await asyncio.sleep(pause * _CHANCE.uniform(0.5, 1))
            pause *= 2
        raise AssertionError("the last try returns or raises")

    async def _try(self, body: bytes) -> tuple[_Reply | None, str]:
        """Return the reply, or the kind of failure; the text of a failure may have the signature in it."""
        url = await self._signed()
        headers = {
            "Content-Type": "application/xml",
            "Content-MD5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode(),
        }
        timeout = aiohttp.ClientTimeout(
            total=self._access.request_timeout.total_seconds(),
            sock_connect=self._access.connect_timeout.total_seconds(),
        )
        try:
            # A connection for each request: no old one, whose peer has gone away in silence, is ever used.
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
                session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                return _Reply(answer.status, _document(await _bounded(answer.content))), ""
        except (aiohttp.ClientError, OSError) as error:
            return None, type(error).__name__

    async def _signed(self) -> URL:
        try:
            if self._signing is None:
                plain = self._access.opening(None)
                bucket = (await obstore.sign_async(plain, "GET", _NOWHERE, _VALID_FOR)).partition("?")[0]
                # The driver signs an address with its query, but offers no means to add one. It appends a path to
                # the address of the bucket, which falls behind the # and belongs to no request.
                self._signing = self._access.opening(f"{bucket.removesuffix(f'/{_NOWHERE}')}?delete=#")
            signed = await obstore.sign_async(self._signing, "POST", "", _VALID_FOR)
        except FAILURES as error:
            raise BulkRefusedError("no signature for a bulk delete") from error
        return URL(signed.partition("#")[0], encoded=True)

    def _read(self, root: ET.Element) -> BulkAnswer:
        removed: set[str] = set()
        failed: dict[str, str] = {}
        for child in root:
            key = self._key(_text(child, "Key"))
            if _plain(child.tag) == "Deleted":
                removed.add(key)
            elif _plain(child.tag) == "Error":
                failed[key] = _text(child, "Code")
        refusals: dict[str, Exception] = {
            key: refused(code, Deed.DELETE, backend_type=S3Store) for key, code in failed.items() if code in REFUSALS
        }
        if not removed and not failed:
            raise BulkRefusedError("no key is named in the answer to a bulk delete")
        return BulkAnswer(frozenset(removed - failed.keys()), refusals)


async def _bounded(stream: aiohttp.StreamReader) -> bytes:
    """Read it to its end; one that is longer than any answer of S3 is cut, and then no document."""
    body = bytearray()
    async for piece in stream.iter_chunked(READ_CHUNK):
        body += piece
        if len(body) > _LONGEST_ANSWER:
            break
    return bytes(body)


def _document(body: bytes) -> ET.Element | None:
    if b"<!DOCTYPE" in body:
        # No answer of S3 has one; without it no entity can be defined.
        return None
    try:
        return ET.fromstring(body)  # noqa: S314 - of our store, bounded, and without entities
    except ET.ParseError:
        return None


def _plain(tag: str) -> str:
    return tag.rpartition("}")[2]


def _text(element: ET.Element, name: str) -> str:
    return next((child.text or "" for child in element if _plain(child.tag) == name), "")
