"""Figures about our own tables, cheap however long these are."""

from typing import Final

from schemas.messages.outgoing import Kind
from service.infra.postgres.database import Connection, Record, fetch

MOST: Final = 200_000
"""How many rows of a kind are counted; if there are more, the figures are lower bounds."""


async def deletions(connection: Connection) -> list[Record]:
    """Return, by state and lane: how many deletions, held ones, due ones, and the age of the oldest due one in s."""
    return await fetch(connection, "deletion_figures", limit=MOST)


async def outbox(connection: Connection) -> list[Record]:
    """Return, by kind: how many messages are unpublished, and the age of the oldest in s."""
    return await fetch(connection, "outbox_figures", limit=MOST, kinds=list(Kind))
