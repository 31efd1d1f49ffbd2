"""IP addresses as proxies, sockets and settings write them, each brought to one normal form."""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_BRACKETED: Final = re.compile(r"\[([^\[\]]*)\](?::[0-9]*)?")
_WITH_PORT: Final = re.compile(r"([0-9.]+):[0-9]*")
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
"""Holds every IPv4 address, in the form in which a socket of both families shows it."""
_SUBSCRIBER_PREFIX: Final = 64
_LONGEST: Final = 80
"""An address with brackets, zone and port is shorter; what is longer is not worth remembering."""


def read_address(text: str) -> Address | None:
    """Return the address in *text*, or None when there is none.

    A port, brackets, quotes and an IPv6 zone are dropped; a mapped address (`::ffff:192.0.2.1`) becomes IPv4.
    """
    bare = text.strip().strip('"')
    return _parsed(bare) if len(bare) <= _LONGEST else None


@lru_cache(maxsize=1024)
def _parsed(bare: str) -> Address | None:
    found = _BRACKETED.fullmatch(bare) or _WITH_PORT.fullmatch(bare)
    try:
        address = ip_address(found[1] if found else bare)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


def plain_network(network: Network) -> Network:
    """Return the IPv4 network that *network* means when it is written in mapped form, else *network*."""
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        base = int(network.network_address) - int(_MAPPED.network_address)
        return IPv4Network((base, network.prefixlen - _MAPPED.prefixlen))
    return network


def subscriber(address: Address) -> str:
    """Return whom *address* belongs to: an IPv4 address is one caller, an IPv6 caller has a whole /64."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, _SUBSCRIBER_PREFIX), strict=False))
