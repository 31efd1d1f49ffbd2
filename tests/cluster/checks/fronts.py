"""TLS in front of the servers beside the cluster: `python -m tests.cluster.checks.fronts FOLDER`.

Each front has a folder with server.crt and server.key. When they change, later connections get the new certificate.
Those that are open are closed, as by a proxy that starts anew. The database keeps its own, as PostgreSQL does when it
reads a new certificate. It ends with its input.
"""

import asyncio
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.cluster.plan import SERVER_PORTS
from workers.stack.state import LOOPBACK

BEGUN: Final = "begun"
FRONTS: Final = {
    "database": (5433, SERVER_PORTS["postgres"]),
    "broker": (5671, SERVER_PORTS["rabbitmq_amqp"]),
    "management": (15671, SERVER_PORTS["rabbitmq_management"]),
    "bucket": (8443, SERVER_PORTS["seaweedfs_s3.port"]),
}
"""The port of each front, and that of its server. Each has a folder of its own, with its name."""

_ASKING: Final = "database"
"""Clients of PostgreSQL ask for TLS by a message of eight bytes (SSLRequest), and begin after the answer S."""
_QUESTION_BYTES: Final = 8
_YES: Final = b"S"
_POLL_S: Final = 0.2
_PIECE: Final = 64 * 1024


class _Front:
    """One port that speaks TLS."""

    def __init__(self, folder: Path, target: int) -> None:
        self._folder = folder
        self._target = target
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._open: set[asyncio.Task[None]] = set()
        self._shown = b""
        self._asks_first = folder.name == _ASKING
        self.show()

    async def listen(self, port: int) -> asyncio.Server:
        """Take connections at *port*."""
        context = None if self._asks_first else self._context
        return await asyncio.start_server(self._take, LOOPBACK, port, ssl=context)

    def show(self) -> None:
        """Show the certificate that is there now."""
        certificate = (self._folder / "server.crt").read_bytes()
        if certificate != self._shown:
            self._context.load_cert_chain(self._folder / "server.crt", self._folder / "server.key")
            self._shown = certificate
            if not self._asks_first:
                for task in self._open:
                    task.cancel()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with suppress(OSError, ssl.SSLError, asyncio.CancelledError):
                if self._asks_first:
                    await reader.readexactly(_QUESTION_BYTES)
                    writer.write(_YES)
                    await writer.start_tls(self._context)
                server_reader, server_writer = await asyncio.open_connection(LOOPBACK, self._target)
                try:
                    await _pass_both_ways((reader, writer), (server_reader, server_writer))
                finally:
                    server_writer.close()
        finally:
            self._open.discard(task)
            writer.close()


_Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _pass_both_ways(one: _Pair, other: _Pair) -> None:
    """Pass bytes until one of the sides has ended; TLS knows no half of a connection."""
    ways = [asyncio.create_task(_pass(one[0], other[1])), asyncio.create_task(_pass(other[0], one[1]))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, ssl.SSLError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()


async def _run(folder: Path) -> None:
    fronts = {name: _Front(folder / name, target) for name, (_, target) in FRONTS.items()}
    servers = [await front.listen(FRONTS[name][0]) for name, front in fronts.items()]
    sys.stdout.write(f"{BEGUN}\n")
    sys.stdout.flush()
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    while not ended.done():
        await asyncio.wait([ended], timeout=_POLL_S)
        for front in fronts.values():
            front.show()
    for server in servers:
        server.close()


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
