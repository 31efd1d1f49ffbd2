"""Bytes that no well-behaved client would send, to the server as it really listens."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

import psutil
import pytest

from service.context import Context
from tests.support.catalogue import publish, query
from tests.support.stepwise import with_settings
from tests.support.wire import Wire, listening

_PATH = "/api/v4/projects/100/packages"
_UPLOAD = "/api/v4/projects/100/packages/generic/app/1.0/app.bin"
_SECRET = b"sesame-0001"


@pytest.fixture
async def hasty(filled: Context) -> Context:
    """A context that does not wait long for a client."""
    return with_settings(filled, request_timeout=timedelta(seconds=0.5))


@pytest.fixture
async def wire(hasty: Context) -> AsyncGenerator[Wire]:
    async with listening(hasty) as opened:
        yield opened


def _get(path: bytes, *fields: bytes) -> bytes:
    return b"\r\n".join([b"GET " + path + b" HTTP/1.1", b"Host: yard", b"Connection: close", *fields, b"", b""])


@pytest.mark.parametrize(
    ("sent", "status", "error"),
    [
        (b"sesame-0001 nonsense\r\n\r\n", 400, "400 Bad Request"),
        (b"GET /sesame-0001\x00 HTTP/1.1\r\nHost: yard\r\n\r\n", 400, "400 Bad Request"),
        (b"GET / HTTP/9.9\r\nX: sesame-0001\r\n\r\n", 400, "400 Bad Request"),
        (b"GET / HTTP/1.1\r\nHost: yard\r\nsesame-0001\r\n\r\n", 400, "400 Bad Request"),
        (b"GET / HTTP/1.1\r\nHost: yard\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, "400 Bad Request"),
        (b"PUT / HTTP/1.1\r\nContent-Length: -1\r\nHost: sesame-0001\r\n\r\n", 400, "400 Bad Request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03sesame-0001\r\n\r\n", 400, "400 Bad Request"),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: yard\r\n\r\n", 414, "414 URI Too Long"),
        (
            b"GET / HTTP/1.1\r\nHost: yard\r\nX-Long: " + b"a" * 17_000 + b"\r\n\r\n",
            431,
            "431 Request Header Fields Too Large",
        ),
        (b"GET / HTTP/1.1\r\nHost: yard\r\n" + b"X: y\r\n" * 2_000 + b"\r\n", 400, "400 Bad Request"),
    ],
)
async def test_what_is_no_http_is_answered_as_everything_else_and_not_quoted(
    wire: Wire, capsys: pytest.CaptureFixture[str], sent: bytes, status: int, error: str
) -> None:
    answer = await wire.send(sent)

    assert (answer.status, json.loads(answer.body)) == (status, {"error": error})
    assert "Content-Type: application/json\r\n" in answer.head + "\r\n"
    assert "X-Content-Type-Options: nosniff" in answer.head
    assert _SECRET not in answer.body
    assert _SECRET.decode() not in capsys.readouterr().out


async def test_a_header_that_does_not_end_is_not_waited_for(wire: Wire) -> None:
    assert await wire.send(b"GET / HTTP/1.1\r\nHost: yard\r\n", patience=3) == (0, "", b"")


async def test_a_connection_that_says_nothing_is_closed(wire: Wire) -> None:
    assert await wire.send(patience=3) == (0, "", b"")


async def test_an_upload_that_stops_is_given_up_and_leaves_nothing(wire: Wire, hasty: Context) -> None:
    head = (
        f"PUT {_UPLOAD} HTTP/1.1\r\nHost: yard\r\nPRIVATE-TOKEN: developer-token\r\n"
        "Connection: close\r\nContent-Length: 1000\r\n\r\n"
    )

    answer = await wire.send(head.encode(), b"some", patience=15)

    assert (answer.status, json.loads(answer.body)) == (408, {"error": "408 Request Timeout"})
    assert await query(hasty, "SELECT id FROM package_file") == []


async def test_an_upload_that_only_trickles_is_given_up(wire: Wire) -> None:
    head = (
        f"PUT {_UPLOAD} HTTP/1.1\r\nHost: yard\r\nPRIVATE-TOKEN: developer-token\r\n"
        "Connection: close\r\nContent-Length: 100000\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(head.encode())

    async def trickle() -> None:
        for _ in range(50):
            writer.write(b"x")
            await asyncio.sleep(0.1)

    trickling = asyncio.create_task(trickle())
    async with asyncio.timeout(4):
        status = await reader.readline()
    trickling.cancel()
    writer.close()

    assert b" 408 " in status


async def test_a_client_that_asks_first_is_refused_before_it_sends(wire: Wire) -> None:
    def head(token: str) -> bytes:
        return (
            f"PUT {_UPLOAD} HTTP/1.1\r\nHost: yard\r\nPRIVATE-TOKEN: {token}\r\nConnection: close\r\n"
            "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        ).encode()

    refused = await wire.send(head("reporter-token"), patience=15)
    taken = await wire.send(head("developer-token"), b"abc")

    assert refused.status == 403
    assert taken.status == 100
    assert taken.body.startswith(b"HTTP/1.1 201 ")


_PATHS: Final = [
    b"/api/v4/projects/acme%2Fopen%00/packages",
    b"/api/v4/projects/%ff%fe/packages",
    b"/api/v4/projects/%c0%af/packages",
    b"/api/v4/projects/%/packages",
    b"/api/v4/projects/%zz/packages",
    b"/api/v4/projects/..%2f..%2fetc/packages",
    b"/api/v4/projects/" + b"a%2F" * 1_000 + b"/packages",
    "/api/v4/projects/\u202e\U0001f4a3/packages".encode(),
    b"/api/v4/groups/%ed%a0%80/packages",
    b"/api/v4/projects/100/packages/%00",
    b"/api/v4/projects/100/packages/1%0d%0aX-Evil:%201",
    b"/api/v4/projects/100/packages/generic/%00/1.0/a",
    b"/api/v4/projects/100/packages/generic/app/..%2f1.0/a",
    b"/api/v4/projects/100/packages/generic/app/1.0/..%2f..%2fa",
    b"/api/v4/projects/100/packages/generic/app/1.0/../../../../etc/passwd",
    b"/api/v4/projects/100/packages/generic/app/1.0/a%00",
    b"/api/v4/projects/100/packages/pypi/simple/%00",
    b"/api/v4/projects/100/packages/helm/stable/charts/%00",
    b"/api/v4/projects/100/packages/nuget/download/%00/index.json",
    b"/api/v4/projects/100/packages?package_name=%00",
    b"/api/v4/projects/100/packages?page=" + b"9" * 7_000,
    b"/api/v4/projects/100/packages?" + b"page[]=1&" * 500,
    b"/api/v4/projects/100/packages?pagination=keyset&cursor=" + b"A" * 7_000,
    b"/api/v4/projects/100/packages?pagination=keyset&cursor=%00",
    b"//api/v4/projects",
    b"/api/v4/projects/100/packages/",
    b"*",
    b"http://elsewhere/api/v4/nothing",
]

_FIELDS: Final = [
    b"PRIVATE-TOKEN: \xff\xfe\x80",
    b"Authorization: Bearer \xc3\x28",
    b"Authorization: Basic not-base64!",
    b"Authorization: Basic /////w==",
    b'If-None-Match: "unterminated',
    b"If-None-Match: " + b'W/"a",' * 1_000,
    b"If-Unmodified-Since: \xff",
    b"Host: \xf0\x9f\x92\xa3",
    b"X-Request-Id: " + b"a" * 5_000,
    b"Accept: application/xml",
    b"Accept-Encoding: \xff",
    b"Cookie: " + b"a=b;" * 1_000,
    b"Range: bytes=a-b",
]


async def test_a_path_that_nobody_means_is_a_plain_4xx(wire: Wire) -> None:
    for path in _PATHS:
        answer = await wire.send(_get(path, b"PRIVATE-TOKEN: maintainer-token"))

        assert 400 <= answer.status < 500, (path, answer)
        assert json.loads(answer.body).keys() <= {"error", "message"}, (path, answer)
        assert "X-Evil" not in answer.head, (path, answer)


async def test_a_header_that_nobody_means_does_no_harm(wire: Wire) -> None:
    for field in _FIELDS:
        answer = await wire.send(_get(_PATH.encode(), field))

        assert answer.status in {200, 400, 401}, (field, answer)
        assert re.search(r"^Content-Type: application/json\r?$", answer.head, re.MULTILINE), (field, answer)


async def test_the_memory_stays_flat_whatever_comes(wire: Wire) -> None:
    process = psutil.Process()
    for _ in range(3):
        for path in _PATHS:
            await wire.send(_get(path))
    before = process.memory_info().rss
    for _ in range(20):
        for path in _PATHS:
            await wire.send(_get(path, b"X: " + b"a" * 16_000))

    assert process.memory_info().rss - before < 16 * 1024 * 1024


async def test_the_body_of_a_delete_is_not_waited_for_without_end(wire: Wire) -> None:
    head = (
        f"DELETE {_PATH}/1 HTTP/1.1\r\nHost: yard\r\nContent-Type: application/json\r\n"
        "Connection: close\r\nContent-Length: 50\r\n\r\n{"
    )

    assert (await wire.send(head.encode(), patience=15)).status == 408


async def test_what_follows_a_refused_upload_is_not_taken_for_its_body(wire: Wire) -> None:
    refused = (
        f"PUT {_UPLOAD} HTTP/1.1\r\nHost: yard\r\nPRIVATE-TOKEN: reporter-token\r\n"
        "Expect: 100-continue\r\nContent-Length: 500\r\n\r\n"
    )

    answer = await wire.send(refused.encode(), patience=15)

    assert answer.status == 403
    assert "Connection: close" in answer.head


async def test_a_download_that_nobody_reads_is_given_up(wire: Wire, hasty: Context) -> None:
    await publish(hasty, content=bytes(32 * 1024 * 1024))
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port, limit=1_024)
    writer.write(_get(_UPLOAD.encode()))
    await asyncio.sleep(3)
    received = 0
    async with asyncio.timeout(10):
        with suppress(ConnectionResetError):
            while chunk := await reader.read(65_536):
                received += len(chunk)
    writer.close()

    assert 0 < received < 32 * 1024 * 1024


async def test_a_bomb_in_the_form_of_a_delete_does_no_harm(wire: Wire) -> None:
    deep = b"[" * 50_000
    for body in (deep, b'{"private_token":' + deep, b'{"a":1' + b"0" * 40_000 + b"}", b'"\\ud800"', b"\xff\xfe"):
        head = (
            f"DELETE {_PATH}/1 HTTP/1.1\r\nHost: yard\r\nContent-Type: application/json\r\n"
            f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        answer = await wire.send(head.encode() + body)

        assert (answer.status, json.loads(answer.body)) == (403, {"message": "403 Forbidden"})


async def test_an_expectation_that_nobody_knows_is_passed_over_and_an_old_client_gets_no_100(wire: Wire) -> None:
    strange = await wire.send(_get(_PATH.encode(), b"Expect: sesame-0001"))
    old = await wire.send(
        f"PUT {_UPLOAD} HTTP/1.0\r\nHost: yard\r\nPRIVATE-TOKEN: developer-token\r\n"
        "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc".encode()
    )

    assert strange.status == 200
    assert old.status == 201


_HEAD: Final = b"GET / HTTP/1.1\r\nHost: yard\r\n"
_FIELDS_OF_70_KB: Final = b"".join(b"X-%d: %b\r\n" % (number, b"a" * 7_000) for number in range(10))


@pytest.mark.parametrize(
    "sent",
    [
        (_HEAD + _FIELDS_OF_70_KB,),
        (_HEAD, *_FIELDS_OF_70_KB.splitlines(keepends=True)),
        (_HEAD + _FIELDS_OF_70_KB + b"\r\n",),
    ],
    ids=["unfinished", "in pieces", "complete"],
)
async def test_a_head_is_bounded_as_a_whole(wire: Wire, sent: Sequence[bytes]) -> None:
    answer = await wire.send(*sent)

    assert (answer.status, json.loads(answer.body)) == (431, {"error": "431 Request Header Fields Too Large"})


async def test_a_head_behind_another_request_is_bounded_too(wire: Wire) -> None:
    answer = await wire.send(_HEAD + b"\r\n" + _HEAD + 2 * _FIELDS_OF_70_KB)

    assert b" 431 " in answer.head.encode() + answer.body


async def test_the_trailer_of_a_body_is_bounded_too(wire: Wire) -> None:
    head = (
        f"PUT {_UPLOAD} HTTP/1.1\r\nHost: yard\r\nPRIVATE-TOKEN: developer-token\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    answer = await wire.send(head.encode() + b"1\r\nx\r\n0\r\n", *_FIELDS_OF_70_KB.splitlines(keepends=True))

    assert (answer.status, json.loads(answer.body)) == (400, {"error": "400 Bad Request"})


async def test_a_body_that_breaks_off_in_the_middle_is_not_waited_for(wire: Wire) -> None:
    head = (
        f"PUT {_UPLOAD} HTTP/1.1\r\nHost: yard\r\nPRIVATE-TOKEN: developer-token\r\n"
        "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
    )

    answer = await wire.send(head.encode(), b"nonsense\r\n")

    assert (answer.status, json.loads(answer.body)) == (400, {"error": "400 Bad Request"})


async def test_a_long_body_and_many_short_requests_are_below_the_bound(wire: Wire) -> None:
    body = bytes(300_000)
    chunked = b"".join(b"1\r\nx\r\n" for _ in range(50_000)) + b"0\r\n\r\n"
    head = f"PUT {_UPLOAD} HTTP/1.1\r\nHost: yard\r\nPRIVATE-TOKEN: developer-token\r\n"
    gets = b"GET /-/live HTTP/1.1\r\nHost: yard\r\nX: " + b"a" * 10_000 + b"\r\n\r\n"

    answer = await wire.send(
        f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body,
        f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunked + gets * 40 + _get(b"/-/live"),
        patience=30,
    )

    received = answer.head.encode() + answer.body
    assert received.count(b"HTTP/1.1 201 ") == 2
    assert received.count(b"HTTP/1.1 200 ") == 41
