"""Addresses: where a request comes from, through proxies whose headers are believed, and where its answer leads."""

import re
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from service.http.keys import CONTEXT
from service.ip_addresses import Address, Network, read_address
from service.sockets import local_authority, url_authority

_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
_MOST_HOPS: Final = 20
_SCHEMES: Final = frozenset({"http", "https"})


def client_address(request: web.Request, proxies: Sequence[Network]) -> Address | None:
    """Return the address of the client: the nearest one in X-Forwarded-For that is not one of *proxies*.

    A client may write anything into that header; a trusted proxy appends to the right of it. An entry that is no
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
    return claimed if claimed in _SCHEMES and is_from_proxy(request, proxies) else request.scheme


def is_from_proxy(request: web.Request, proxies: Sequence[Network]) -> bool:
    """Return whether one of *proxies* sent the request."""
    return _is_in(read_address(request.remote or ""), proxies)


def external_url(request: web.Request) -> str:
    """Return the address under which the client reaches us, without a slash at the end.

    It is the one of the settings, or else the one that the client itself used.
    """
    settings = request.app[CONTEXT].settings
    if settings.external_url is not None:
        return str(settings.external_url).rstrip("/")
    host = request.headers.get("Host", "")
    scheme = client_scheme(request, settings.trusted_proxies)
    return f"{scheme}://{host if _HOST.fullmatch(host) else _reached(request)}"


def _reached(request: web.Request) -> str:
    """Return the `address:port` of ours that the client connected to."""
    match request.get_extra_info("sockname"):
        case (str(host), int(port), *_):
            return url_authority(str(read_address(host) or host), port)
        case _:
            settings = request.app[CONTEXT].settings
            return local_authority(settings.host, settings.port)


def path_prefix(request: web.Request) -> str:
    """Return the path below which a proxy serves us, as EXTERNAL_URL names it, without a slash at its end."""
    url = request.app[CONTEXT].settings.external_url
    return ((url and url.path) or "").rstrip("/")


def _is_in(address: Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks)
