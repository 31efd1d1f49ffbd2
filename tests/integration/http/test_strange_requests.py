"""Charsets, bodies and header fields that nobody means: none is an error of ours, and no charset is searched for."""

import codecs
import json
from collections.abc import AsyncGenerator, Generator
from typing import Final

import pytest

from service.context import Context
from tests.support.wire import Answer, Wire, listening, request

_PACKAGE: Final = b"/api/v4/projects/100/packages/1"
_BULK: Final = b"/api/v4/projects/100/packages/bulk_delete"
_UPLOAD: Final = b"/api/v4/projects/100/packages/generic/app/1.0/app.bin"
_MADE_UP: Final = "no-such-charset"
_FORMS: Final = (b"application/json", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=b")


def _part(*headers: bytes, name: bytes = b"private_token", value: bytes = b"x") -> bytes:
    disposition = b'Content-Disposition: form-data; name="%b"' % name
    return b"--b\r\n" + b"\r\n".join([disposition, *headers]) + b"\r\n\r\n" + value + b"\r\n--b--\r\n"


@pytest.fixture
async def wire(filled: Context) -> AsyncGenerator[Wire]:
    async with listening(filled) as opened:
        yield opened


@pytest.fixture
def looked_up() -> Generator[list[str]]:
    """The names of codecs that Python was asked for and does not have, from now on."""
    names: list[str] = []
    codecs.register(names.append)
    yield names
    codecs.unregister(names.append)


async def _delete(wire: Wire, media: bytes, body: bytes = b"", *, is_chunked: bool = False) -> Answer:
    return await wire.send(request(b"DELETE", _PACKAGE, b"Content-Type: " + media, body=body, is_chunked=is_chunked))


async def test_the_charset_that_a_client_names_is_never_looked_up(wire: Wire, looked_up: list[str]) -> None:
    name = _MADE_UP.encode()
    words = (
        b"; charset=" + name,
        b"; charset*=" + name + b"''x",
        b"; boundary*0*=" + name + b"''b",
        b"; x==?" + name + b"?q?x?=",
    )
    parts = (
        _part(b"Content-Type: text/plain; charset=" + name),
        _part(name=b"_charset_", value=name),
        _part(b"X: =?" + name + b"?q?x?="),
    )
    for media in _FORMS:
        for word in words:
            for body in (b'{"a": 1}', b"a=1", *parts):
                assert (await _delete(wire, media + word, body)).status in {401, 403}
    for word in words:
        fields = (b"Content-Type: application/json" + word, b"PRIVATE-TOKEN: maintainer-token")
        assert (await wire.send(request(b"POST", _BULK, *fields, body=b"{}"))).status == 400
        assert (await wire.send(request(b"PUT", _UPLOAD, *fields, body=b"x"))).status == 201

    assert looked_up == []


@pytest.mark.parametrize("is_chunked", [True, False])
async def test_a_form_is_read_in_no_charset_but_utf_8_and_no_further_than_its_bound(
    wire: Wire, *, is_chunked: bool
) -> None:
    slow = b"xn--" + b"9" * 430_000
    for media in _FORMS:
        for charset in (b"idna", b"punycode"):
            answer = await _delete(wire, media + b"; charset=" + charset, slow, is_chunked=is_chunked)
            assert (answer.status, json.loads(answer.body)) == (403, {"message": "403 Forbidden"})


@pytest.mark.parametrize(
    ("media", "body"),
    [
        (_FORMS[0], b'{"job_token": "\\ud800"}'),
        (_FORMS[0], b'{"private_token": "\xff"}'),
        (_FORMS[1], b"access_token=%ed%a0%80"),
        (_FORMS[1], b"private_token=\xff"),
        (_FORMS[2], _part(value=b"\xff")),
    ],
)
async def test_a_token_that_is_not_utf_8_is_a_bad_one(wire: Wire, media: bytes, body: bytes) -> None:
    answer = await _delete(wire, media, body)

    assert (answer.status, json.loads(answer.body)) == (401, {"message": "401 Unauthorized"})


@pytest.mark.parametrize(
    ("media", "body"),
    [
        (_FORMS[2], _part(b"nonsense")),
        (_FORMS[2], _part(b"Content-Encoding: nonsense")[:-9]),
        (_FORMS[2], _part(name=b"_charset_", value=b"a" * 3_000)),
        (_FORMS[2], _part(b"Content-Length: 999")),
        (_FORMS[2], b"--b\r\n" * 9_000),
        (b"multipart/form-data", _part()),
        (b"multipart/form-data; boundary=\xff", _part()),
        (b"multipart/form-data; boundary=" + b"b" * 9_000, _part()),
        (b"application/json; " + b"a=b;" * 3_000, b"{"),
        (b"=?idna?q?x?=", b"x"),
        (b'";;;', b"x"),
    ],
)
async def test_a_body_that_cannot_be_read_is_no_form(wire: Wire, media: bytes, body: bytes) -> None:
    answer = await _delete(wire, media, body)

    assert (answer.status, json.loads(answer.body)) == (403, {"message": "403 Forbidden"})


async def test_a_part_that_names_an_unknown_transfer_encoding_is_read_as_it_is(wire: Wire) -> None:
    part = _part(b"Content-Transfer-Encoding: nonsense", value=b"reporter-token")

    assert (await _delete(wire, _FORMS[2], part)).status == 403
    assert (await _delete(wire, _FORMS[2], _part(value=b"nobodys-token"))).status == 401


_FIELDS: Final = (
    *(b"Accept", b"Authorization", b"PRIVATE-TOKEN", b"JOB-TOKEN", b"Deploy-Token", b"Content-Type", b"Content-MD5"),
    *(b"Cookie", b"Digest", b"Content-Digest", b"Repr-Digest", b"X-Checksum-SHA256", b"Idempotency-Key", b"Prefer"),
    *(b"Expect", b"If-None-Match", b"If-Unmodified-Since", b"If-Range", b"Range", b"Origin", b"X-Request-Id"),
    *(b"X-Forwarded-For", b"X-Forwarded-Proto", b"Access-Control-Request-Headers"),
)
_VALUES: Final = (
    *(b"\xff\xfe", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"=?idna?q?x?=", b'"', b"9" * 5_000, b"a=:" + b"A" * 9_000),
    *(b"Basic /////w==", b"Bearer \xff", b"bytes=" + b"9" * 5_000 + b"-", b"Mon, 99 Foo 9999999 99:99:99 +9999"),
    *(b"Mon, 01 Jan 0001 00:00:00 +2359", b"9999-12-31T23:59:59-23:59"),
)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        (b"GET", b"/api/v4/projects/100/packages"),
        (b"PUT", _UPLOAD),
        (b"DELETE", _PACKAGE),
        (b"POST", _BULK),
        (b"GET", b"/nothing"),
    ],
)
async def test_no_header_field_is_an_error_of_ours(wire: Wire, method: bytes, path: bytes) -> None:
    body = b"{}" if method in {b"POST", b"PUT"} else b""
    for field in _FIELDS:
        for value in _VALUES:
            # A later value replaces nothing: a credential is tried alone, all else by a maintainer.
            token = (
                b"X: y"
                if b"TOKEN" in field.upper() or field == b"Authorization"
                else b"PRIVATE-TOKEN: maintainer-token"
            )
            answer = await wire.send(request(method, path, field + b": " + value, token, body=body))

            assert 200 <= answer.status < 500, (field, value, answer)
