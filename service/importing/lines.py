"""Lines of a stream, numbered, in flat memory whatever is in it."""

import asyncio
import os
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from dataclasses import dataclass
from typing import Final

from service.errors import StartError

LONGEST_IMPORT_LINE: Final = 16 * 1024 * 1024
"""A longer line is not read; it is only found to be too long."""

_CHUNK: Final = 1024 * 1024
_OBJECT: Final = b"{"


class NotNdjsonError(StartError):
    """The stream is something else than JSON objects, one a line: a binary file, a table, a list in JSON."""

    def __init__(self) -> None:
        """Say what it should be."""
        super().__init__("this is not NDJSON: it should be one JSON object a line")


@dataclass(frozen=True, slots=True)
class Line:
    """One line, without its end; text is None when it was too long. end is the position in the stream after it."""

    number: int
    text: bytes | None
    end: int


async def read_ndjson(descriptor: int) -> AsyncGenerator[Line]:
    """Read the lines of an open file, pipe or terminal, of which each should be a JSON object.

    Raises:
        NotNdjsonError: it does not begin as NDJSON; nothing was given then.
    """
    async for line in _split(_checked(_read_chunks(descriptor))):
        yield line


async def read_lines(descriptor: int) -> AsyncGenerator[Line]:
    """Read the lines of an open file, pipe or terminal; empty ones are skipped but counted."""
    async for line in _split(_read_chunks(descriptor)):
        yield line


async def _split(chunks: AsyncIterable[bytes]) -> AsyncGenerator[Line]:
    splitter = _Splitter()
    async for chunk in chunks:
        for line in splitter.add(chunk):
            yield line
    for line in splitter.finish():
        yield line


async def _checked(chunks: AsyncIterable[bytes]) -> AsyncIterable[bytes]:
    has_begun = False
    async for chunk in chunks:
        has_begun = has_begun or _begins(chunk)
        yield chunk


async def _read_chunks(descriptor: int) -> AsyncIterable[bytes]:
    while True:
        await _wait_readable(descriptor)
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            return
        yield chunk


async def _wait_readable(descriptor: int) -> None:
    # A pipe in which nothing comes must not keep the process from hearing SIGTERM.
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    try:
        loop.add_reader(descriptor, readable.set)
    except PermissionError:
        return  # An ordinary file is always readable, so there is nothing to wait for.
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)


def _begins(chunk: bytes) -> bool:
    """Return whether there is more than blanks.

    Raises:
        NotNdjsonError: it is not how NDJSON begins.
    """
    text = chunk.removeprefix(BOM_UTF8).lstrip()
    first, end, _ = text.partition(b"\n")
    # An object that is spread over several lines has nothing but its brace in the first.
    is_spread = bool(end) and first.strip() == _OBJECT
    if text and (is_spread or not text.startswith(_OBJECT)):
        raise NotNdjsonError
    return bool(text)


class _Splitter:
    """Cuts chunks into lines and lets go of a line as soon as it is known to be too long."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0
        self._number = 0
        self._end = 0

    def add(self, chunk: bytes) -> Iterator[Line]:
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._keep(part)
            self._end += 1
            yield from self.finish()
        self._keep(rest)

    def finish(self) -> Iterator[Line]:
        self._number += 1
        too_long, text = self._length > LONGEST_IMPORT_LINE, b"".join(self._parts)
        self._parts, self._length = [], 0
        if too_long or text.strip():
            yield Line(self._number, None if too_long else text, self._end)

    def _keep(self, part: bytes) -> None:
        self._end += len(part)
        self._length += len(part)
        if self._length > LONGEST_IMPORT_LINE:
            self._parts = []
        elif part:
            self._parts.append(part)
