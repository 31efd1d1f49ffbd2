"""The addresses that webhooks may go to."""

from ipaddress import ip_network

import pytest

from service.infra.egress.addresses import AllowedAddresses

PUBLIC = AllowedAddresses()
OWN = AllowedAddresses((ip_network("10.1.0.0/16"), ip_network("fd00:1::/64"), ip_network("224.0.0.0/4")))


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"],
)
def test_the_public_internet_is_allowed_by_https_alone(address: str) -> None:
    assert PUBLIC.has(address, is_tls=True)
    assert not PUBLIC.has(address, is_tls=False)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "192.0.2.1",  # noqa: S104 - no server listens
        "255.255.255.255", "224.0.0.1", "239.1.1.1", "240.0.0.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:224.0.0.1",
        "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::101:101", "2002:7f00:1::", "2002:a00:1::1",
        "2001:0:7f00:1:0:0:8080:8080", "localhost", "",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_or_hides_one_is_refused(address: str) -> None:
    assert not PUBLIC.has(address, is_tls=True)


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [
        ("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("10.2.0.1", False), ("fd00:1::5", True), ("fd00:2::5", False),
        ("224.0.0.1", False), ("1.1.1.1", False),
    ],
)  # fmt: skip
def test_plain_http_goes_to_allowed_networks_only_and_multicast_never(address: str, *, is_allowed: bool) -> None:
    assert OWN.has(address, is_tls=False) is is_allowed
