"""Receivers of every kind behind a real deliverer: those that verify, and those that hang, break and lead astray."""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from typing_extensions import override

from service.infra.egress.addresses import AllowedAddresses
from service.infra.egress.sending import MOST_READ, HttpSender, open_sender
from tests.support.receivers import LOOPBACK, Receiver, receiving

_HEADERS: Final = {"webhook-id": "1"}
_TIMEOUT_S: Final = 1.0


@pytest.fixture
async def sender() -> AsyncGenerator[HttpSender]:
    async with open_sender(AllowedAddresses(LOOPBACK), timeout_s=_TIMEOUT_S) as opened:
        yield opened


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    async with receiving() as opened:
        yield opened


async def _hang(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def _answer_without_end(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 1_024)


async def _answer_a_byte_a_second(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(30):
        await response.write(b"x")
        await asyncio.sleep(1)
    return response


async def _lead_away(request: web.Request) -> web.StreamResponse:
    raise web.HTTPMovedPermanently(f"http://{request.host}/elsewhere")


async def _close(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def test_an_answer_without_end_is_read_up_to_its_limit_and_counts(sender: HttpSender, receiver: Receiver) -> None:
    receiver.answering = _answer_without_end

    answer = await sender.post(receiver.url, _HEADERS, b"{}", verifies_tls=True)

    assert (answer.is_success, len(answer.body)) == (True, MOST_READ)
    assert answer.duration_s < _TIMEOUT_S


@pytest.mark.parametrize("answering", [_hang, _answer_a_byte_a_second])
async def test_one_limit_of_time_holds_for_all_of_a_request(
    sender: HttpSender, receiver: Receiver, answering: Any
) -> None:
    receiver.answering = answering

    answer = await sender.post(receiver.url, _HEADERS, b"{}", verifies_tls=True)

    assert (answer.is_success, answer.error) == (False, "no complete answer within 1 seconds")
    assert answer.duration_s < _TIMEOUT_S + 1


async def test_a_redirect_is_not_followed(sender: HttpSender, receiver: Receiver) -> None:
    receiver.answering = _lead_away

    answer = await sender.post(receiver.url, _HEADERS, b"{}", verifies_tls=True)

    assert (answer.status, answer.is_success, len(receiver.received)) == (301, False, 1)


async def test_a_receiver_that_closes_is_a_failure_with_its_reason(sender: HttpSender, receiver: Receiver) -> None:
    receiver.answering = _close

    answer = await sender.post(receiver.url, _HEADERS, b"{}", verifies_tls=True)

    assert (answer.status, answer.error) == (None, "the receiver closed the connection")


async def test_a_certificate_that_expired_is_refused_unless_nobody_asks_for_it(
    sender: HttpSender, tmp_path: Path
) -> None:
    context = _expired(tmp_path)
    async with receiving(context) as receiver:
        strict = await sender.post(receiver.url, _HEADERS, b"{}", verifies_tls=True)
        lax = await sender.post(receiver.url, _HEADERS, b"{}", verifies_tls=False)

    assert strict.status is None
    assert strict.error is not None
    assert strict.error.startswith("the certificate is not valid")
    assert lax.is_success


class _Rebinding(AbstractResolver):
    """Answers with another address each time that it is asked."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = list(addresses)

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = self._addresses.pop(0)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0),
        ]

    @override
    async def close(self) -> None:
        pass


@pytest.mark.parametrize("host", ["rebinding.example", "127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "[64:ff9b::7f00:1]"])
async def test_nothing_is_sent_to_an_address_of_our_own_network_whatever_leads_there(
    receiver: Receiver, host: str
) -> None:
    port = receiver.url.rpartition(":")[2]
    async with open_sender(
        AllowedAddresses(), timeout_s=_TIMEOUT_S, resolver=_Rebinding("127.0.0.1", "127.0.0.1")
    ) as sender:
        answers = [
            await sender.post(f"{scheme}://{host}:{port}", _HEADERS, b"{}", verifies_tls=False)
            for scheme in ("https", "http")
        ]

    assert {answer.error for answer in answers} == {"the address is not allowed"}
    assert receiver.received == []


async def test_the_second_answer_of_a_name_server_is_checked_as_the_first_was(receiver: Receiver) -> None:
    port = int(receiver.url.rpartition(":")[2].partition("/")[0])
    only_first = AllowedAddresses((ip_network("127.0.0.2/32"),))
    async with open_sender(only_first, timeout_s=_TIMEOUT_S, resolver=_Rebinding("127.0.0.2", "127.0.0.1")) as sender:
        first = await sender.post(f"http://rebinding.example:{port}/", _HEADERS, b"{}", verifies_tls=True)
        second = await sender.post(f"http://rebinding.example:{port}/", _HEADERS, b"{}", verifies_tls=True)

    assert first.error == "cannot connect: connection refused"
    assert second.error == "the address is not allowed"
    assert receiver.received == []


async def test_no_proxy_of_the_environment_is_used(
    sender: HttpSender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    answer = await sender.post(receiver.url, _HEADERS, b"{}", verifies_tls=True)

    assert answer.is_success


def _expired(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2020, 1, 2, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    own = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "expired.pem").write_bytes(own + made.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "expired.pem")
    return context
