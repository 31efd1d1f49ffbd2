"""A proxy on loopback before a server, which delays, refuses or cuts what passes through it, or speaks TLS for it."""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

_PIECE: Final = 16 * 1024
_BODY: Final = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_SSL_REQUEST: Final = (8).to_bytes(4, "big") + (80_877_103).to_bytes(4, "big")
"""The first bytes of a client of PostgreSQL that wants TLS."""
_SLOW_DOWN: Final = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nConnection: close\r\n"
    b"Content-Length: " + str(len(_BODY)).encode() + b"\r\n\r\n" + _BODY
)


@dataclass(slots=True)
class Faults:
    """The faults that the proxy makes from now on; none by default."""

    delay_s: float = 0
    """How long each answer is held back."""

    slow_downs: int = 0
    """How many of the next connections are answered with 503 SlowDown."""

    cuts: int = 0
    """How many of the next connections are reset after `cut_after` bytes of the answers."""

    cut_after: int = 0

    request_cuts: int = 0
    """How many of the next connections are reset after `cut_after` bytes of the requests."""


class Proxy:
    """One proxy; `faults` may be changed at any time."""

    def __init__(self, target: str, *, upgrade: ssl.SSLContext | None = None) -> None:
        self._target = urlsplit(target)
        self._upgrade = upgrade
        self.faults = Faults()
        self.connections = 0
        self.endpoint = ""
        self._serving: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        serving = asyncio.ensure_future(self.serve(reader, writer))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def aclose(self) -> None:
        """End all connections."""
        ending = list(self._serving)
        for serving in ending:
            serving.cancel()
        if ending:
            await asyncio.wait(ending)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        self.connections += 1
        with suppress(OSError, asyncio.IncompleteReadError):
            if self._upgrade:
                await _begin_tls(reader, writer, self._upgrade)
            if self.faults.slow_downs:
                self.faults.slow_downs -= 1
                await _read_request(reader)
                writer.write(_SLOW_DOWN)
                await writer.drain()
            else:
                await self._pass_on(reader, writer)
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cut = request_cut = None
        if self.faults.cuts:
            self.faults.cuts -= 1
            cut = self.faults.cut_after
        elif self.faults.request_cuts:
            self.faults.request_cuts -= 1
            request_cut = self.faults.cut_after
        there_reader, there_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        directions = [
            asyncio.create_task(self._pump(reader, there_writer, cut=request_cut)),
            asyncio.create_task(self._pump(there_reader, writer, cut=cut, is_answer=True)),
        ]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            # Whichever side ended, the other sees a reset.
            writer.transport.abort()
            there_writer.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, cut: int | None, is_answer: bool = False
    ) -> None:
        passed = 0
        with suppress(OSError):
            while piece := await reader.read(_PIECE):
                if is_answer and self.faults.delay_s:
                    await asyncio.sleep(self.faults.delay_s)
                if cut is not None and passed + len(piece) > cut:
                    writer.write(piece[: cut - passed])
                    await writer.drain()
                    return
                passed += len(piece)
                writer.write(piece)
                await writer.drain()


@asynccontextmanager
async def proxy_before(target: str, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Proxy]:
    """Open a proxy before the server at *target*, an URL; with *tls*, clients have to speak it.

    Its certificate is for localhost. Before PostgreSQL, TLS begins as clients of PostgreSQL ask for it.
    """
    asks = urlsplit(target).scheme.startswith("postgres")
    proxy = Proxy(target, upgrade=tls if asks else None)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0, ssl=None if asks else tls)
    host = "https://localhost" if tls else "http://127.0.0.1"
    proxy.endpoint = f"{host}:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.aclose()


async def _read_request(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            await reader.readexactly(int(value))


async def _begin_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext) -> None:
    if await reader.readexactly(len(_SSL_REQUEST)) != _SSL_REQUEST:
        raise ConnectionAbortedError("a client that wants no TLS")
    writer.write(b"S")
    await writer.start_tls(context)
