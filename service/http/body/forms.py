"""The form that a request may carry in its body, read with bounds: a client's bytes are data, and never an error."""

import json
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import MultiDict, MultiMapping
from multipart import MultipartSegment, PushMultipartParser, parse_options_header

_LARGEST: Final = 64 * 1024
"""Bytes of a form; a longer body is none."""
_MOST_FIELDS: Final = 256

_Pairs: TypeAlias = Iterable[tuple[object, object]]


async def read_form(request: web.Request) -> MultiMapping[str]:
    """Return the fields of the form in the body; there are none if the body is no form, or one that cannot be read.

    Raises:
        ConnectionError: the client went away.
    """
    media, options = parse_options_header(request.headers.get("Content-Type", ""))
    if media not in _PARSERS:
        return MultiDict()
    body = await _read(request)
    return MultiDict() if body is None else parse_form(body, media, options)


def parse_form(body: bytes, media: str, options: Mapping[str, str]) -> MultiMapping[str]:
    """Return the fields of a form of that media type; bytes that are not UTF-8 become lone surrogates."""
    try:
        pairs = list(_PARSERS[media](body, options))
    except Exception:  # noqa: BLE001 - whatever stops a parser means the same: the body is no form
        return MultiDict()
    return MultiDict((name, value) for name, value in pairs if isinstance(name, str) and isinstance(value, str))


async def _read(request: web.Request) -> bytes | None:
    # The length that a client announces proves nothing, so the bytes are counted as they come.
    read = bytearray()
    try:
        async for piece in request.content.iter_any():
            read += piece
            if len(read) > _LARGEST:
                return None
    except web.RequestPayloadError:
        return None
    return bytes(read)


def _parse_json(body: bytes, _options: Mapping[str, str]) -> _Pairs:
    found = json.loads(_text(body))
    return found.items() if isinstance(found, Mapping) else ()


def _parse_urlencoded(body: bytes, _options: Mapping[str, str]) -> _Pairs:
    return parse_qsl(_text(body), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="surrogateescape")


def _parse_multipart(body: bytes, options: Mapping[str, str]) -> _Pairs:
    name: str | None = None
    value = bytearray()
    with PushMultipartParser(options["boundary"], max_segment_count=_MOST_FIELDS) as parser:
        for event in parser.parse(body):
            if isinstance(event, MultipartSegment):
                # A file is no field, whatever it is named.
                name, value = (event.name if event.filename is None else None), bytearray()
            elif event is None:
                yield name, _text(value)
            else:
                value += event


def _text(written: bytes | bytearray) -> str:
    # A client's charset is never resolved: some codecs take minutes, and Python keeps each unknown name for ever.
    return written.decode(errors="surrogateescape")


_PARSERS: Final[Mapping[str, Callable[[bytes, Mapping[str, str]], _Pairs]]] = MappingProxyType(
    {
        "application/json": _parse_json,
        "application/x-www-form-urlencoded": _parse_urlencoded,
        "multipart/form-data": _parse_multipart,
    }
)
"""Media type of a form -> what reads its names and values."""
