"""Bytes to and from a server as it really listens."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import web

from service.app import create_runner
from service.context import Context


class Answer(NamedTuple):
    status: int
    head: str
    body: bytes


class Wire:
    """A server as it listens, and bytes to and from it."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def send(self, *pieces: bytes, patience: float = 10) -> Answer:
        """Send the pieces on a connection of their own, and return what comes back until the server hangs up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(patience):
                for piece in pieces[:-1]:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.01)
                writer.write(b"".join(pieces[-1:]))
                received = await reader.read()
        finally:
            writer.close()
        head, _, body = received.partition(b"\r\n\r\n")
        return Answer(int(head.split()[1]) if head else 0, head.decode(), body)


@asynccontextmanager
async def listening(context: Context) -> AsyncGenerator[Wire]:
    """Serve the API over a context."""
    runner = create_runner(context)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Wire(runner.addresses[0][1])
    await runner.cleanup()


def request(method: bytes, path: bytes, *fields: bytes, body: bytes = b"", is_chunked: bool = False) -> bytes:
    """Return a request on a connection that ends with it; a chunked body does not say how long it is."""
    if is_chunked:
        length, body = b"Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        length = b"Content-Length: %d" % len(body)
    head = [method + b" " + path + b" HTTP/1.1", b"Host: yard", b"Connection: close", length, *fields]
    return b"\r\n".join(head) + b"\r\n\r\n" + body
