"""Where a request comes from, through proxies whose headers are believed."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from service.ip_addresses import Address, Network, read_address

_MOST_HOPS: Final = 20
_SCHEMES: Final = frozenset({"http", "https"})


def client_address(request: web.Request, proxies: Sequence[Network]) -> Address | None:
    """Return the address of the client: the nearest one in X-Forwarded-For that is not one of *proxies*.

    A client may write into that header what it likes; a trusted proxy appends to the right of it. An entry that is no
    address counts for the proxy that appended it. None: the peer has no IP address.
    """
    nearest = read_address(request.remote or "")
    # The last ones of all lines; a client that names thousands of trusted proxies gets no thousands of comparisons.
    hops = ",".join(request.headers.getall("X-Forwarded-For", [])).rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]
    while hops and _is_in(nearest, proxies):
        hop = read_address(hops.pop())
        if hop is None:
            break
        nearest = hop
    return nearest


def client_scheme(request: web.Request, proxies: Sequence[Network]) -> str:
    """Return how the client reached the nearest of *proxies*, http or https, if it says; else how it reached us."""
    claimed = request.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip().lower()
    is_believed = claimed in _SCHEMES and _is_in(read_address(request.remote or ""), proxies)
    return claimed if is_believed else request.scheme


def _is_in(address: Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks)
