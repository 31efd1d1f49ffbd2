"""Channels of one question, which leave nothing behind on a connection that lasts for months."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager

import aiormq
from aio_pika.abc import AbstractConnection


@asynccontextmanager
async def short_channel(connection: AbstractConnection) -> AsyncGenerator[aiormq.abc.AbstractChannel]:
    """Give a channel for one question, without confirms.

    It is one of the lower driver. The upper driver adds callbacks to the connection for each of its channels, and
    leaves them there when the channel closes: about 3 KB each.

    Raises:
        ConnectionResetError: the connection was lost a moment ago.
    """
    with lost_by_now():
        if connection.transport is None:
            raise RuntimeError("closed")
        await connection.transport.ready()
        channel = await connection.transport.connection.channel(publisher_confirms=False)
    yield channel
    # After an error there is nothing to close: the broker or the driver has done so, or the connection is lost.
    await channel.close(None)


@contextmanager
def lost_by_now() -> Iterator[None]:
    """Raise ConnectionResetError for the driver's word for a connection that was lost a moment ago."""
    try:
        yield
    except RuntimeError as error:
        raise ConnectionResetError("the connection to the broker was lost") from error
