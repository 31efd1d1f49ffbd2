"""Answers on their way: bytes that a process has written, and that the client's machine has not acknowledged yet.

The network of a pod goes away with its last process, and such bytes with it. The kernel counts them, those of closed
connections as well (tcp(7), SIOCOUTQ; proc(5), /proc/net/tcp).
"""

import fcntl
import struct
import termios
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_END: Final = 1
"""The end of a connection counts as a byte."""


def unacknowledged(descriptor: int) -> int:
    """Return how many bytes of a socket are on their way; 0 if it is no open TCP socket."""
    try:
        (count,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))
    except OSError:
        return 0
    return int(count)


def closed_too_early(ports: Collection[int]) -> int:
    """Return how many closed connections of *ports* have bytes on their way; 0 on a system that does not say it."""
    return sum(port in ports and sending > _END and not inode for port, sending, inode in _connections())


def _connections() -> Iterator[tuple[int, int, int]]:
    """Yield the local port of each connection, its bytes on their way, and its inode, which a closed one lacks."""
    for table in _TABLES:
        try:
            lines = table.read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        for line in lines[1:]:
            fields = line.split()
            port, sending = fields[1].rpartition(":")[2], fields[4].partition(":")[0]
            yield int(port, 16), int(sending, 16), int(fields[9])
