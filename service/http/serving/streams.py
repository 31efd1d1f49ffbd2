"""Long answers that are written while they are read: one JSON object with a list, lines of JSON, or CSV."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from aiohttp import hdrs, web
from pydantic_core import to_json

from schemas.http.resources import Resource
from service.http.operations import Media
from service.http.replies import dumped

_PIECE: Final = 32 * 1024
"""How many bytes are written together."""
_READ_WITHIN_S: Final = 20
"""How long a client may take to read them."""


async def stream_list(
    request: web.Request,
    head: Resource,
    rows: AsyncIterator[Resource],
    columns: Sequence[str],
    *,
    file: tuple[str, Media] | None = None,
) -> web.StreamResponse:
    """Answer with *head* and its `list`, as JSON; or with the rows alone, as NDJSON or CSV, where `Accept` says so.

    *file*, the name and kind of a file, lets a browser store the answer.
    """
    headers = {"Content-Disposition": f'attachment; filename="{file[0]}"', "Vary": hdrs.COOKIE} if file else {}
    media = file[1] if file else _wanted_media(request)
    response = web.StreamResponse(headers={"Content-Type": media, **headers, **_totals(head)})
    await response.prepare(request)
    pieces = {Media.JSON: _json(head, rows), Media.NDJSON: _lines(rows)}.get(media) or _csv(rows, columns)
    await _write(response, pieces)
    await response.write_eof()
    return response


def _wanted_media(request: web.Request) -> Media:
    accept = request.headers.get("Accept", "").lower()
    return next((each for each in (Media.NDJSON, Media.CSV) if each in accept), Media.JSON)


def _totals(head: Resource) -> Mapping[str, str]:
    found = dumped(head)
    names = ("packages", "files", "bytes")
    return {f"Retention-{name.title()}": str(found[name]) for name in names} if isinstance(found, dict) else {}


async def _write(response: web.StreamResponse, pieces: AsyncIterator[bytes]) -> None:
    buffer = bytearray()
    async for piece in pieces:
        buffer += piece
        if len(buffer) >= _PIECE:
            await _send(response, bytes(buffer))
            buffer.clear()
    await _send(response, bytes(buffer))


async def _send(response: web.StreamResponse, piece: bytes) -> None:
    try:
        async with asyncio.timeout(_READ_WITHIN_S):
            await response.write(piece)
    except TimeoutError:
        # The rows come from an open transaction, which a client that does not read would keep.
        raise ConnectionResetError("the client does not read") from None


async def _json(head: Resource, rows: AsyncIterator[Resource]) -> AsyncIterator[bytes]:
    yield to_json(dumped(head)).removesuffix(b"}") + b',"list":['
    separator = b""
    async for row in rows:
        yield separator + to_json(dumped(row))
        separator = b","
    yield b"]}"


async def _lines(rows: AsyncIterator[Resource]) -> AsyncIterator[bytes]:
    async for row in rows:
        yield to_json(dumped(row)) + b"\n"


async def _csv(rows: AsyncIterator[Resource], columns: Sequence[str]) -> AsyncIterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    async for row in rows:
        found = row.model_dump(mode="json")
        writer.writerow([found[column] for column in columns])
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()
