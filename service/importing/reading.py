"""Reading an import: lines are held against the contract, and come in batches, the next one ahead of its turn."""

import asyncio
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from schemas.files.imports import ImportedPackage
from schemas.problems import problems_of
from service.importing.lines import LONGEST_IMPORT_LINE, Line
from service.importing.rows import ImportCandidate

BATCH_LINES: Final = 1_000
"""The most lines of a batch."""
_BATCH_BYTES: Final = 8 * 1024 * 1024
_LINES_A_TURN: Final = 100
"""Lines that are read before others get a turn of the event loop."""
_MOST_PROBLEMS: Final = 3


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that did not go in, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line that was held against the contract; `end` is the position in the stream after it."""

    number: int
    end: int
    found: ImportCandidate | RefusedLine


async def read_batches(lines: AsyncIterable[Line]) -> AsyncGenerator[list[ReadLine]]:
    """Give the lines in batches; the next batch is read while the last one is written."""
    batches = _batches(lines)
    coming = asyncio.ensure_future(anext(batches, None))
    try:
        while (batch := await coming) is not None:
            coming = asyncio.ensure_future(anext(batches, None))
            yield batch
    finally:
        coming.cancel()
        # Nobody wants these lines any more, so nobody wants to know why they cannot be read.
        with suppress(Exception, asyncio.CancelledError):
            await coming
        await batches.aclose()


async def _batches(lines: AsyncIterable[Line]) -> AsyncGenerator[list[ReadLine]]:
    batch: list[ReadLine] = []
    size = 0
    async for line in lines:
        batch.append(ReadLine(line.number, line.end, read_line(line)))
        size += len(line.text or b"")
        if len(batch) % _LINES_A_TURN == 0:
            await asyncio.sleep(0)
        if len(batch) == BATCH_LINES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def read_line(line: Line) -> ImportCandidate | RefusedLine:
    """Hold one line against the contract."""
    if line.text is None:
        return RefusedLine(line.number, f"is longer than {LONGEST_IMPORT_LINE} bytes")
    try:
        return ImportCandidate(line.number, ImportedPackage.model_validate_json(line.text.removeprefix(BOM_UTF8)))
    except ValidationError as error:
        sentences = [problem.sentence() for problem in problems_of(error)]
    if (more := len(sentences) - _MOST_PROBLEMS) > 0:
        sentences[_MOST_PROBLEMS:] = [f"and {more} more"]
    return RefusedLine(line.number, "; ".join(sentences).replace(" at line 1 column ", " at column "))
