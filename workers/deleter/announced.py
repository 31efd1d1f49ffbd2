"""Deletions of single packages and files: the database announces them, and their commands come later.

The announcement saves the way through outbox, relay and broker, where a command waits behind the events of a bulk.
Nothing depends on it: a worker that is busy, or does not listen, gets the command.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

from service.infra.postgres.database import Database
from workers.runtime.loops import wait_for_any

_POLL: Final = timedelta(seconds=1)
"""How long a stop may go unnoticed at most."""


async def take_announced(
    database: Database, carry_out: Callable[[Sequence[UUID]], Awaitable[object]], stop: asyncio.Event
) -> None:
    """Carry out what is announced, until *stop*.

    All workers hear of each deletion, and one of them claims it. So a worker takes the newest few, one batch after the
    other, and leaves the rest to the queue. Busy workers therefore try few claims that others have made.
    """
    async with database.listen("packyard_deletions") as listening:
        while not stop.is_set():
            listening.heard.clear()
            ids = [*_ids(listening.take_words())]
            if ids:
                await carry_out(ids)
            else:
                await wait_for_any(stop, listening.heard, within=_POLL)


def _ids(words: Sequence[str]) -> Iterator[UUID]:
    for word in words:
        with suppress(ValueError):  # any session of the database can send one
            yield UUID(word)
