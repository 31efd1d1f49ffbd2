"""The addresses that requests of users may go to: the public internet, and networks that the operator allows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

from service.ip_addresses import Address, Network, read_address

_NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last four bytes are the IPv4 address that a gateway connects to."""
_LOCAL_NAT64: Final = IPv6Network("64:ff9b:1::/48")
"""RFC 8215: a network chooses what is behind these; older versions of Python take them for global ones."""
_COMPATIBLE: Final = IPv6Network("::/96")
"""RFC 4291, section 2.5.5.1: deprecated, with an IPv4 address in the last four bytes."""


@dataclass(frozen=True, slots=True)
class AllowedAddresses:
    """The rule of where a request may go."""

    networks: Sequence[Network] = ()
    """Networks that are allowed besides the public internet; plain http is allowed only there."""

    def has(self, text: str, *, is_tls: bool) -> bool:
        """Return whether a request, by https or plain http, may connect to the address in *text*."""
        address = read_address(text)
        if address is None:
            return False
        forms = [address, *_inner(address)]
        if any(form.is_multicast or form.is_unspecified for form in forms):
            return False
        return self._is_allowed(address) or (is_tls and all(map(_is_public, forms)))

    def _is_allowed(self, address: Address) -> bool:
        return any(
            (isinstance(address, IPv4Address) and isinstance(network, IPv4Network) and address in network)
            or (isinstance(address, IPv6Address) and isinstance(network, IPv6Network) and address in network)
            for network in self.networks
        )


def _inner(address: Address) -> Iterator[IPv4Address]:
    """Give the IPv4 addresses that an IPv6 address leads to; `read_address` has unwrapped mapped ones already."""
    if isinstance(address, IPv4Address):
        return
    if address in _NAT64 or address in _COMPATIBLE:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global
    # Python takes site-local addresses (RFC 3879) for global ones.
    return address.is_global and not address.is_site_local and address not in _LOCAL_NAT64
