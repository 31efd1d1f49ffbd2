"""Where a request comes from, through proxies that are trusted to tell."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

from aiohttp import web

Network: TypeAlias = IPv4Network | IPv6Network

_SCHEMES: Final = frozenset({"http", "https"})


def client_address(request: web.Request, proxies: Sequence[Network]) -> str:
    """Return the address of the client: the nearest one in X-Forwarded-For that is not one of *proxies*.

    A client may write into that header what it likes; what a trusted proxy adds stands to the right of it.
    """
    nearest = request.remote or ""
    told = [part.strip() for line in request.headers.getall("X-Forwarded-For", []) for part in line.split(",")]
    while told and _is_in(nearest, proxies):
        nearest = told.pop()
    return nearest


def client_scheme(request: web.Request, proxies: Sequence[Network]) -> str:
    """Return how the client reached the nearest of *proxies*, http or https, if it tells; else how we were reached."""
    told = request.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip().lower()
    return told if told in _SCHEMES and _is_in(request.remote or "", proxies) else request.scheme


def _is_in(text: str, networks: Sequence[Network]) -> bool:
    address = _read(text)
    return address is not None and any(address in network for network in networks)


def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
