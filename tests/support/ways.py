"""A way to a server that can be closed and opened again, as a network that fails for a while."""

import asyncio
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

_CHUNK: Final = 64 * 1024


class Way:
    """An address of its own that leads to a server; closed, it refuses everybody and hangs up on all."""

    def __init__(self, url: str) -> None:
        """Lead to the server of this URL."""
        self._parts = urlsplit(url)
        self._port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._passes = asyncio.Event()
        self._passes.set()

    @property
    def url(self) -> str:
        """The server's URL by way of us."""
        netloc = f"{self._parts.username}:{self._parts.password}@127.0.0.1:{self._port}"
        return self._parts._replace(netloc=netloc).geturl()

    async def open(self) -> None:
        """Let clients through, always at the same address."""
        self._server = await asyncio.start_server(self._lead, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse new clients and hang up on the others."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    def fall_silent(self) -> None:
        """Take in what is sent, and new clients, but pass nothing on: as a network that loses all packets."""
        self._passes.clear()

    def pass_on_again(self) -> None:
        """Pass on all that was taken in since then, and all that comes."""
        self._passes.set()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passes.wait()
        from_server, to_server = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        ends = {writer, to_server}
        self._writers |= ends
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pass_on(reader, to_server))
            group.create_task(self._pass_on(from_server, writer))
        self._writers -= ends

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(_CHUNK):
                await self._passes.wait()
                writer.write(chunk)
                await writer.drain()
            await self._passes.wait()
        writer.close()
