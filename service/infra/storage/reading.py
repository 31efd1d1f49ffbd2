"""Reading an object whose store may be silent: its first piece comes soon, or the store is away."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

from service.errors import StorageUnavailableError

SILENT: Final = "the object store did not answer in time"


@asynccontextmanager
async def begun(
    opening: AbstractAsyncContextManager[AsyncIterator[bytes]], *, within: timedelta
) -> AsyncGenerator[AsyncIterator[bytes]]:
    """Open an object and give its pieces, once the first has come.

    Raises:
        StorageUnavailableError: it did not come *within* that time.
    """
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(within.total_seconds()):
                pieces = await stack.enter_async_context(opening)
                first = await anext(pieces, b"")
        except TimeoutError as error:
            raise StorageUnavailableError(SILENT) from error
        yield _all(first, pieces)


async def _all(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in rest:
        yield piece
