"""The relay: from the outbox to the broker, in order, with confirms; one is active, others wait to take over."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

from schemas.messages.outgoing import Entry, Kind
from schemas.messages.topology import EVENTS_LOG
from service.context import Context
from service.events import outbox
from service.infra.postgres.sessions.advisory_locks import ProcessLock
from service.infra.rabbitmq.broker import Broker
from service.infra.rabbitmq.publishing import Publisher
from service.observing import metrics
from service.observing.servers import Condition, ObservedServer
from workers.queue_watch import QueueWatch
from workers.runtime.broker_wait import use_broker, wait_for_broker
from workers.runtime.loops import reopen_until, wait_for_any
from workers.runtime.signals import until_stopped
from workers.runtime.stand_by import stand_by

BATCH: Final = 500
"""How many messages of a kind are in flight together."""

_POLL: Final = timedelta(seconds=1)
"""How often the outbox is read when no notification comes."""
_CHECK_EVERY: Final = timedelta(seconds=5)
"""How often the lengths of the queues are queried."""
_MOST_IN_A_LINE: Final = 20
_LOG_WITHIN_S: Final = 30
"""How long events wait, at the beginning of a connection, for the stream that keeps them. Half of the time within
which all events are published after an outage."""
_LOG_POLL_S: Final = 0.2

log = structlog.get_logger()


async def run_relay(context: Context, stop: asyncio.Event) -> None:
    """Relay until *stop*.

    Raises:
        StartError: the broker refuses us at the start, or is away for very long; later on, it is waited for.
    """
    metrics.ACTIVE.labels("relay").set(0)
    await wait_for_broker(context.settings, stop)
    context.servers.note(ObservedServer.BROKER, Condition.OK)  # a waiting relay has no connection to it
    await reopen_until(stop, lambda: _compete(context, stop))


async def relay_once(context: Context, publisher: Publisher, kind: Kind) -> int:
    """Publish one batch of messages of that kind and return how many it had.

    Messages are marked only after the broker's confirm, so a crash repeats some but loses none; a repeated
    event is the same to the letter. A command that the broker does not take is not repeated here. The scheduler
    sends one for its deletion later anyhow, and a full queue must not fill the outbox too.
    """
    async with context.database.transaction() as connection:
        entries = await outbox.unpublished(connection, kind, BATCH)
    if not entries:
        return 0
    confirmed = await publisher.publish(entries)
    metrics.OUTBOX_PUBLISHED.labels(kind).inc(len(confirmed))
    refused = [entry.position for entry in entries if entry.position not in confirmed]
    metrics.OUTBOX_REFUSED.labels(kind).inc(len(refused))
    async with context.database.connection() as connection:
        if kind is Kind.EVENT and refused:
            await outbox.put_off(connection, refused)
        else:
            confirmed.update(refused)
        await outbox.mark_published(connection, sorted(confirmed))
    log.info("relayed", kind=kind, messages=len(entries), refused=len(refused), deletions=_deletions(entries))
    return len(entries)


async def _compete(context: Context, stop: asyncio.Event) -> None:
    async with context.database.lock(ProcessLock.RELAY) as lock:
        with context.vitals.loop("standby of the relay") as beat:
            await stand_by(lock, stop, process="relay", beat=beat)
        if not stop.is_set():
            await _relay(context, stop)


async def _relay(context: Context, stop: asyncio.Event) -> None:
    """Relay over one connection until it breaks or *stop* is set."""
    async with context.database.connection() as connection:
        instance_id = await outbox.instance_id(connection)
    async with use_broker(context, name="packyard-relay") as (broker, note), asyncio.TaskGroup() as group:
        log.info("relay_active")
        # Each kind by itself: a subscriber's queue that confirms nothing must not hold up commands.
        group.create_task(_forward(context, await broker.publisher(instance_id), Kind.COMMAND, stop))
        group.create_task(_forward_events(context, broker, await broker.publisher(instance_id), stop))
        group.create_task(_watch_queues(broker, stop, note))
        with metrics.active("relay"):
            await stop.wait()


async def _forward_events(context: Context, broker: Broker, publisher: Publisher, stop: asyncio.Event) -> None:
    await until_stopped(stop, _wait_for_log(broker))
    await _forward(context, publisher, Kind.EVENT, stop)


async def _wait_for_log(broker: Broker) -> None:
    """Return when the stream of events takes part; one that is gone for good keeps the news from nobody else."""
    # A broker that has just started serves its streams last. It confirms earlier messages as soon as the other queues
    # have them, and the stream never gets them.
    try:
        async with asyncio.timeout(_LOG_WITHIN_S):
            while True:
                if await broker.queue_depth(EVENTS_LOG) is not None:
                    return
                await asyncio.sleep(_LOG_POLL_S)
    except TimeoutError:
        log.warning("events_without_log", queue=EVENTS_LOG)


async def _forward(context: Context, publisher: Publisher, kind: Kind, stop: asyncio.Event) -> None:
    async with context.database.listen("packyard_outbox") as listening:
        with context.vitals.loop(f"relay of {kind}s") as beat:
            while not stop.is_set():
                listening.heard.clear()
                if await relay_once(context, publisher, kind) == 0:
                    await wait_for_any(stop, listening.heard, within=_POLL)
                beat()


async def _watch_queues(broker: Broker, stop: asyncio.Event, note: Callable[[], None]) -> None:
    watch = QueueWatch(broker)
    with watch.exported():
        while not stop.is_set():
            if await watch.refresh():
                note()
            await wait_for_any(stop, within=_CHECK_EVERY)


def _deletions(entries: list[Entry]) -> list[str]:
    """Return the deletions that a small batch is about, so that one can be followed through the logs."""
    if len(entries) > _MOST_IN_A_LINE:
        return []
    ids = {str(entry.body["correlationid"]) for entry in entries if entry.kind is Kind.EVENT}
    for entry in entries:
        if entry.kind is Kind.COMMAND:
            ids.update(entry.body["deletion_ids"])
    return sorted(ids)
