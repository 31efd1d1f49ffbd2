"""Sending requests to addresses that users chose, with one time limit for all of a request."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver

from service.infra.egress.addresses import AllowedAddresses
from service.infra.egress.problems import AddressNotAllowedError, problem_of

MOST_READ: Final = 4_096
"""How many bytes of an answer's body are read."""
_KEEP_ALIVE_S: Final = 30
_MOST_HEADERS: Final = 50
_LONGEST_HEADER: Final = 1_000
_AGAIN: Final = (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """The result of a request: the answer of the receiver, or the reason why there is none."""

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    """The first 4 KiB of it."""
    error: str | None = None
    duration_s: float = 0.0

    @property
    def is_success(self) -> bool:
        """Whether the receiver took it: any 2xx, in time."""
        return self.error is None and self.status is not None and self.status // 100 == 2  # noqa: PLR2004 - 2xx


class HttpSender:
    """Posts bodies. It follows no redirect, uses no proxy, keeps no cookie and unpacks nothing."""

    def __init__(self, by_scheme: Mapping[str, aiohttp.ClientSession], *, timeout_s: float) -> None:
        self._by_scheme = by_scheme
        self._timeout_s = timeout_s

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, verifies_tls: bool) -> HttpAnswer:
        """Post *body* and return what came of it; a failure of any kind is in the answer."""
        began = time.monotonic()
        answer: HttpAnswer
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._post(url, headers, body, verifies_tls=verifies_tls)
        except TimeoutError:
            answer = HttpAnswer(None, error=f"no complete answer within {self._timeout_s:g} seconds")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            answer = HttpAnswer(None, error=problem_of(error))
        return HttpAnswer(answer.status, answer.headers, answer.body, answer.error, time.monotonic() - began)

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes, *, verifies_tls: bool) -> HttpAnswer:
        try:
            return await self._post_once(url, headers, body, verifies_tls=verifies_tls)
        except _AGAIN:
            # The receiver had closed a connection that was kept for reuse. It may get the request twice.
            return await self._post_once(url, headers, body, verifies_tls=verifies_tls)

    async def _post_once(self, url: str, headers: Mapping[str, str], body: bytes, *, verifies_tls: bool) -> HttpAnswer:
        session = self._by_scheme[urlsplit(url).scheme]
        async with session.post(url, headers=headers, data=body, ssl=verifies_tls, allow_redirects=False) as response:
            read = await _read_some(response)
            return HttpAnswer(
                response.status, _some_headers(response), read.decode(errors="replace").replace("\0", "�")
            )


@asynccontextmanager
async def open_sender(
    allowed: AllowedAddresses, *, timeout_s: float, resolver: AbstractResolver | None = None
) -> AsyncGenerator[HttpSender]:
    """Open a sender that connects to allowed addresses only; *resolver*: one of the system's when None."""
    async with (
        _session(allowed, is_tls=True, resolver=resolver) as tls,
        _session(allowed, is_tls=False, resolver=resolver) as plain,
    ):
        yield HttpSender({"https": tls, "http": plain}, timeout_s=timeout_s)


def _session(allowed: AllowedAddresses, *, is_tls: bool, resolver: AbstractResolver | None) -> aiohttp.ClientSession:
    def checked_socket(info: tuple[object, ...]) -> socket.socket:
        # The library connects this socket to this very address: no later answer of a name server changes that.
        family, kind, protocol, _, address = info
        if not (isinstance(address, tuple) and allowed.has(str(address[0]), is_tls=is_tls)):
            raise AddressNotAllowedError
        return socket.socket(int(str(int(family))), int(kind), int(protocol))  # type: ignore[call-overload]

    connector = aiohttp.TCPConnector(
        limit=0, use_dns_cache=False, keepalive_timeout=_KEEP_ALIVE_S, resolver=resolver, socket_factory=checked_socket
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        trust_env=False,
        auto_decompress=False,
        headers={"User-Agent": "Packyard", "Accept": "*/*", "Accept-Encoding": "identity"},
    )


async def _read_some(response: aiohttp.ClientResponse) -> bytes:
    read = bytearray()
    while len(read) < MOST_READ:
        piece = await response.content.read(MOST_READ - len(read))
        if not piece:
            return bytes(read)
        read += piece
    # The rest is of no interest, however long it is: the connection goes with it.
    response.close()
    return bytes(read)


def _some_headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    named = list(response.headers.items())[:_MOST_HEADERS]
    return {name[:_LONGEST_HEADER]: _printable(value[:_LONGEST_HEADER]) for name, value in named}


def _printable(text: str) -> str:
    return text.encode(errors="replace").decode().replace("\0", "?")
