"""Commands: from the outbox to the broker, in order, with confirms."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from schemas.messages.outgoing import Entry, Kind
from service.context import Context
from service.events import outbox
from service.infra.rabbitmq.publishing import CommandPublisher
from service.observing import metrics
from workers.runtime.loops import wait_for_any

BATCH: Final = 500
"""How many commands are in flight together."""

_POLL: Final = timedelta(seconds=1)
"""How often the outbox is read when no notification comes."""
_MOST_IN_A_LINE: Final = 20

log = structlog.get_logger()


async def forward_commands(context: Context, publisher: CommandPublisher, stop: asyncio.Event) -> None:
    """Publish what is in the outbox and what comes, until *stop*."""
    async with context.database.listen("packyard_outbox") as listening:
        with context.vitals.loop("relay of commands") as beat:
            while not stop.is_set():
                listening.heard.clear()
                if await publish_commands(context, publisher) == 0:
                    await wait_for_any(stop, listening.heard, within=_POLL)
                beat()


async def publish_commands(context: Context, publisher: CommandPublisher) -> int:
    """Publish one batch of commands and return how many it had.

    They are marked only after the broker's confirm, so a crash repeats some but loses none. A command that the broker
    does not take is not repeated here. The scheduler sends one for its deletion later anyhow, and a full queue must not
    fill the outbox too.
    """
    async with context.database.connection() as connection:
        entries = await outbox.unpublished_commands(connection, BATCH)
    if not entries:
        return 0
    confirmed = await publisher.publish(entries)
    refused = len(entries) - len(confirmed)
    metrics.OUTBOX_PUBLISHED.labels(Kind.COMMAND).inc(len(confirmed))
    metrics.OUTBOX_REFUSED.labels(Kind.COMMAND).inc(refused)
    async with context.database.connection() as connection:
        await outbox.mark_published(connection, [entry.position for entry in entries])
    log.info("relayed", kind=Kind.COMMAND, messages=len(entries), refused=refused, deletions=_deletions(entries))
    return len(entries)


def _deletions(entries: list[Entry]) -> list[str]:
    """Return the deletions that a small batch is about, so that one can be followed through the logs."""
    if len(entries) > _MOST_IN_A_LINE:
        return []
    return sorted({deletion for entry in entries for deletion in entry.body["deletion_ids"]})
