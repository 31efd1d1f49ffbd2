"""How long a silent server is waited for, and sockets that notice the silence by themselves."""

import asyncio
import socket
from typing import Final

SILENCE_S: Final = 8
"""How long a server may be silent before a connection to it counts as lost."""

PROBE_AFTER_S: Final = 4
PROBE_EVERY_S: Final = 2
PROBES: Final = 2

_PROBING: Final = {
    "TCP_KEEPIDLE": PROBE_AFTER_S,
    "TCP_KEEPALIVE": PROBE_AFTER_S,  # the same on macOS
    "TCP_KEEPINTVL": PROBE_EVERY_S,
    "TCP_KEEPCNT": PROBES,
    "TCP_USER_TIMEOUT": 1_000 * SILENCE_S,
}
"""Options by name, since no system has all of them. Only Linux limits how long sent bytes may go unconfirmed."""


def notice_silence(transport: asyncio.BaseTransport) -> None:
    """Let the kernel end a TCP connection after SILENCE_S without any sign of the other side.

    The transports of uvloop have the methods of asyncio's, but not their classes.
    """
    connected = transport.get_extra_info("socket")
    if connected is None or connected.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBING.items():
        if option := getattr(socket, name, None):
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
