"""The sockets on which a process listens: all of HOST, in both families."""

import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address
from typing import Final

_EVERY_IPV4: Final = str(IPv4Address(0))
_EVERY_ADDRESS: Final = "::"
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


def bind_sockets(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Return a socket for every address of *hosts*, bound to *port*; the first takes a free one if that is 0.

    `::` alone takes IPv4 as well, and becomes 0.0.0.0 on a machine without IPv6.

    Raises:
        OSError: one cannot be bound; its `filename` is the address.
    """
    with ExitStack() as opened:
        bound: list[socket.socket] = []
        for address in _every_address(hosts, port):
            chosen = bound[0].getsockname()[1] if bound else port
            try:
                bound.append(opened.enter_context(_bind(address, chosen, takes_both=len(hosts) == 1)))
            except OSError as error:
                error.filename = url_authority(address, port)
                raise
        opened.pop_all()
        return bound


def local_authority(hosts: Sequence[str], port: int) -> str:
    """Return `address:port` by which this machine itself reaches what listens on *hosts*."""
    first = hosts[0]
    return url_authority("127.0.0.1" if first in {_EVERY_IPV4, _EVERY_ADDRESS} else first, port)


def reason_of(error: OSError) -> str:
    """Return the reason in the system's words; the error of an unknown host name has no number of the system's."""
    return str(error.strerror or error).lower()


def url_authority(host: str, port: int) -> str:
    """Return `host:port` as it is written in a URL: an IPv6 address has brackets there."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _every_address(hosts: Sequence[str], port: int) -> list[str]:
    """Return the addresses of *hosts*, each once; a name may have several."""
    found: dict[str, None] = {}
    for host in hosts:
        try:
            places = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as error:
            error.filename = url_authority(host, port)
            raise
        found |= {str(place[0]): None for *_, place in places}
    return list(found)


def _bind(address: str, port: int, *, takes_both: bool) -> socket.socket:
    is_every = takes_both and address == _EVERY_ADDRESS
    with ExitStack() as opened:
        try:
            bound = opened.enter_context(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET))
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if bound.family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not is_every)
            bound.bind((address, port))
        except OSError as error:
            if is_every and error.errno in _NO_IPV6:
                return _bind(_EVERY_IPV4, port, takes_both=False)
            raise
        opened.pop_all()
        return bound
