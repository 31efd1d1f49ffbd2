"""The parts of a large object: bytes are held for one part at a time."""

from collections.abc import AsyncIterator
from typing import Final

PART: Final = 8 * 1024 * 1024
"""Bytes of one part of a large object: S3 takes at most 10,000 of them, which makes 78 GiB."""


async def first_part(stream: AsyncIterator[bytes]) -> bytearray:
    """Read until there is a part, or no more."""
    head = bytearray()
    async for chunk in stream:
        head += chunk
        if len(head) >= PART:
            break
    return head


async def joined(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Give the first part, and the rest after it; the first is kept no longer than it is needed."""
    yield head
    del head
    async for chunk in rest:
        yield chunk


async def nothing() -> AsyncIterator[bytes]:
    """Give no bytes."""
    for chunk in list[bytes]():
        yield chunk
