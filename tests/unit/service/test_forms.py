"""The form of a DELETE: its bytes are a stranger's."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.http.body.forms import parse_form

_JSON = "application/json"
_URLENCODED = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_BOUNDARY = {"boundary": "b"}

_HEADERS = st.sampled_from(
    [
        b'Content-Disposition: form-data; name="a"',
        b"Content-Disposition: form-data",
        b"Content-Disposition: \xff",
        b"Content-Type: text/plain; charset=idna",
        b"Content-Transfer-Encoding: nonsense",
        b"Content-Length: 9",
        b"nonsense",
        b"",
    ]
)
_PIECES = st.sampled_from(
    [b"--b", b"--b--", b"\r\n", b"\n", b"{", b'"', b"\\ud800", b"%", b"&", b"=", b"\x00", b"\xff"]
)


def _part(value: bytes, *headers: bytes) -> bytes:
    head = b"\r\n".join([b'Content-Disposition: form-data; name="a"', *headers])
    return b"--b\r\n" + head + b"\r\n\r\n" + value + b"\r\n--b--\r\n"


@pytest.mark.parametrize(
    ("media", "body", "value"),
    [
        (_JSON, b'{"a": "\xc3\xa9", "b": 1, "c": null}', "é"),
        (_JSON, b'{"a": "\\ud800"}', "\ud800"),
        (_URLENCODED, b"a=x&a=%C3%A9", "é"),
        (_URLENCODED, b"a=%ff", "\udcff"),
        (_MULTIPART, _part(b"\xc3\xa9"), "é"),
        (_MULTIPART, _part(b"\xff", b"Content-Type: text/plain; charset=latin-1"), "\udcff"),
    ],
)
def test_a_value_is_read_as_utf_8(media: str, body: bytes, value: str) -> None:
    assert parse_form(body, media, _BOUNDARY).getall("a")[-1] == value


@pytest.mark.parametrize(
    ("media", "body"),
    [
        (_JSON, b"[" * 60_000),
        (_JSON, '{"a": "x"}'.encode("utf-16")),
        (_JSON, b'{"a": 1' + b"0" * 60_000 + b"}"),
        (_URLENCODED, b"a=x&" * 10_000),
        (_MULTIPART, _part(b"x")[:-4]),
        (_MULTIPART, _part(b"x", b"nonsense")),
        (_MULTIPART, _part(b"x", *[b"X: y"] * 100)),
        (_MULTIPART, _part(b"x").replace(b'"a"', b'"a"; filename="a"')),
    ],
)
def test_a_body_that_cannot_be_read_is_no_form(media: str, body: bytes) -> None:
    assert not parse_form(body, media, _BOUNDARY)


@given(
    body=st.binary(max_size=200) | st.lists(_PIECES | _HEADERS, max_size=30).map(b"".join),
    media=st.sampled_from([_JSON, _URLENCODED, _MULTIPART]),
    options=st.sampled_from([{}, _BOUNDARY, {"boundary": "\udcff"}, {"boundary": ""}]),
)
def test_no_body_is_an_error(body: bytes, media: str, options: Mapping[str, str]) -> None:
    parse_form(body, media, options)
