"""Lines of a stream, numbered, in flat memory whatever is in it."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterable, Iterator
from dataclasses import dataclass
from typing import Final

LONGEST_LINE: Final = 16 * 1024 * 1024
"""A longer line is not read; it is only found to be too long."""

_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One line, without its end; text is None when it was too long. end is the position in the stream after it."""

    number: int
    text: bytes | None
    end: int


async def read_lines(descriptor: int) -> AsyncGenerator[Line]:
    """Read the lines of an open file, pipe or terminal; empty ones are skipped but counted."""
    splitter = _Splitter()
    async for chunk in _read_chunks(descriptor):
        for line in splitter.add(chunk):
            yield line
    for line in splitter.finish():
        yield line


async def _read_chunks(descriptor: int) -> AsyncIterable[bytes]:
    while True:
        await _wait_readable(descriptor)
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            return
        yield chunk


async def _wait_readable(descriptor: int) -> None:
    # So that a pipe in which nothing comes does not keep the process from hearing SIGTERM.
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    try:
        loop.add_reader(descriptor, readable.set)
    except PermissionError:
        return  # An ordinary file: always readable, and never to be waited for.
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)


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
        too_long, text = self._length > LONGEST_LINE, b"".join(self._parts)
        self._parts, self._length = [], 0
        if too_long or text.strip():
            yield Line(self._number, None if too_long else text, self._end)

    def _keep(self, part: bytes) -> None:
        self._end += len(part)
        self._length += len(part)
        if self._length > LONGEST_LINE:
            self._parts = []
        elif part:
            self._parts.append(part)
