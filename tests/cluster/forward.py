"""Passes on what arrives at a port of one address to another address, in a network namespace.

`python -m tests.cluster.forward HOST PORT NAMESPACE ADDRESS PORT` listens first and enters the namespace then. So
kubectl reaches the API server, and the namespace has no way out.
"""

import asyncio
import ctypes
import os
import socket
import sys
from contextlib import suppress
from typing import Final

_CLONE_NEWNET: Final = 0x40000000
_BLOCK: Final = 65536


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while block := await reader.read(_BLOCK):
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def _serve(listener: socket.socket, address: str, port: int) -> None:
    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection(address, port)
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, inner_writer))
                group.create_task(_copy(inner_reader, writer))
            inner_writer.close()
        writer.close()

    server = await asyncio.start_server(pass_on, sock=listener)
    await server.serve_forever()


def main(host: str, local_port: int, namespace: str, address: str, port: int) -> None:
    """Listen, enter the namespace, and pass on until killed."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, local_port), family=family, backlog=128)
    with open(namespace, "rb") as target:  # noqa: PTH123 - a file of the kernel's
        if ctypes.CDLL(None, use_errno=True).setns(target.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace)
    asyncio.run(_serve(listener, address, port))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
