"""The relay: from the outbox to the broker, in order, with confirms; one is active, others stand by."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from service.context import Context
from service.infra import outbox
from service.infra.broker import Publisher, open_broker, require_broker
from service.infra.database import Sole
from workers.loop import reopen_until, wait_for_any

BATCH: Final = 500
"""How many messages are in flight at once."""

_POLL: Final = timedelta(seconds=1)
"""How often the outbox and the lock are looked at when no notification comes."""

log = structlog.get_logger()


async def run_relay(context: Context, stop: asyncio.Event) -> None:
    """Relay until *stop*.

    Raises:
        StartError: the broker cannot be used at the start; later on, it is waited for.
    """
    await require_broker(context.settings.broker_url.get_secret_value())
    await reopen_until(stop, lambda: _compete(context, stop))


async def relay_once(context: Context, publisher: Publisher) -> int:
    """Publish one batch and return how many messages the broker has taken.

    Messages are marked only after the broker's confirm, so a crash repeats some but loses none; a repeated
    event is the same to the letter.
    """
    async with context.database.connection() as connection:
        instance_id, entries = await outbox.number_unpublished(connection, BATCH)
        if not entries:
            return 0
        positions = await publisher.publish(entries, instance_id=instance_id)
        await outbox.mark_published(connection, positions)
    log.info(
        "relayed",
        messages=len(positions),
        refused=len(entries) - len(positions),
        deletions=_deletions(entries),
    )
    return len(positions)


async def _compete(context: Context, stop: asyncio.Event) -> None:
    async with context.database.sole("packyard.relay") as sole:
        while not stop.is_set() and not await sole.is_held():
            await wait_for_any(stop, within=_POLL)
        if not stop.is_set():
            log.info("relay_active")
            await _relay(context, sole, stop)


async def _relay(context: Context, sole: Sole, stop: asyncio.Event) -> None:
    url = context.settings.broker_url.get_secret_value()
    async with (
        context.database.listen("packyard_outbox") as heard,
        open_broker(url, name="packyard-relay") as broker,
    ):
        publisher = await broker.publisher()
        while not stop.is_set() and await sole.is_held():
            heard.clear()
            if await relay_once(context, publisher) == 0:
                await wait_for_any(stop, heard, within=_POLL)


def _deletions(entries: list[outbox.Entry]) -> list[str]:
    """Return the deletions that a small batch is about, so that one can be followed through the logs."""
    if len(entries) > 20:  # noqa: PLR2004 - a line stays readable
        return []
    ids = {str(entry.body["correlationid"]) for entry in entries if not entry.is_command}
    ids.update(str(deletion_id) for entry in entries if entry.is_command for deletion_id in entry.body["deletion_ids"])
    return sorted(ids)
