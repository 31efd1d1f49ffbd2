"""The addresses on which a process listens, with real sockets of both families."""

import errno
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from aiohttp import ClientSession, web

from service.errors import StartError
from service.http.serving.server import listen
from service.sockets import bind_sockets, local_authority
from workers.stack.state import free_port

_BOTH = ["127.0.0.1", "[::1]"]
_EVERY_IPV4 = "0.0.0.0"  # noqa: S104 - a machine of the tests is reached by nobody


@contextmanager
def _taken(address: str) -> Iterator[int]:
    with closing(bind_sockets([address], 0)[0]) as bound:
        bound.listen()
        yield bound.getsockname()[1]


async def _answering(hosts: list[str]) -> list[str]:
    """Return which addresses of this machine answer."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response()

    app, port = web.Application(), free_port()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await listen(runner, hosts, port, setting="PACKYARD_PORT")
        answering = []
        async with ClientSession() as session:
            for address in _BOTH:
                with suppress(OSError):
                    async with session.get(f"http://{address}:{port}/"):
                        answering.append(address)
            async with session.get(f"http://{local_authority(hosts, port)}/") as own:
                assert own.status == 200
        return answering
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("hosts", "answering"),
    [
        (["::"], _BOTH),
        ([_EVERY_IPV4, "::"], _BOTH),
        (["::", _EVERY_IPV4], _BOTH),
        (["127.0.0.1", "::1"], _BOTH),
        ([_EVERY_IPV4], ["127.0.0.1"]),
        (["::1"], ["[::1]"]),
    ],
)
async def test_it_listens_on_what_is_named(hosts: list[str], answering: list[str]) -> None:
    assert await _answering(hosts) == answering


def test_a_machine_without_ipv6_listens_on_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket

    def without_ipv6(family: int = socket.AF_INET) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(family)

    monkeypatch.setattr("service.sockets.socket.socket", without_ipv6)
    (bound,) = bind_sockets(["::"], 0)
    with bound:
        assert bound.getsockname()[0] == _EVERY_IPV4


async def test_an_address_that_is_taken_is_named() -> None:
    runner = web.AppRunner(web.Application())
    await runner.setup()
    try:
        with _taken("::1") as port, pytest.raises(StartError) as refused:
            await listen(runner, ["127.0.0.1", "::1"], port, setting="PACKYARD_PORT")
    finally:
        await runner.cleanup()

    assert str(refused.value) == (
        f"PACKYARD_HOST, PACKYARD_PORT: cannot listen on [::1]:{port}: address already in use"
    )
