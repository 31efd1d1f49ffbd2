"""Events: numbered into the log, and from the log to the broker, in order, with confirms."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import structlog

from schemas.messages.cloud_events import HEADER_NAMES
from schemas.messages.outgoing import Kind, LoggedEvent
from schemas.messages.topology import EVENTS_LOG
from service.context import Context
from service.events import days, numbering, publishing
from service.infra.rabbitmq.broker import Broker
from service.infra.rabbitmq.publishing import EventPublisher
from service.observing import metrics
from workers.runtime.loops import wait_for_any
from workers.runtime.signals import until_stopped

BATCH: Final = 500
"""How many events are numbered, or are in flight, together."""

_POLL: Final = timedelta(seconds=1)
"""How often the outbox and the log are read when no notification comes."""
_PREPARE_EVERY_S: Final = 3_600
_MOST_IN_A_LINE: Final = 20
_CORRELATION: Final = HEADER_NAMES.index("correlationid")
_LOG_WITHIN_S: Final = 30
"""How long events wait, at the beginning of a connection, for the stream that keeps them. Half of the time within
which all events are published after an outage."""
_LOG_POLL_S: Final = 0.2

log = structlog.get_logger()


async def take_over_log(context: Context) -> None:
    """Prepare the log for a relay that becomes active."""
    async with context.database.transaction() as connection:
        await days.prepare(connection)
        await numbering.continue_log(connection, limit=BATCH)


async def number_events(context: Context, numbered: asyncio.Event, stop: asyncio.Event) -> None:
    """Give numbers to what is in the outbox and what comes, until *stop*; set *numbered* each time.

    The broker may be away.
    """
    clock = asyncio.get_running_loop().time
    prepared_at = clock()
    async with context.database.listen("packyard_outbox") as listening:
        with context.vitals.loop("numbering of events") as beat:
            while not stop.is_set():
                listening.heard.clear()
                if await number_once(context) == 0:
                    await wait_for_any(stop, listening.heard, within=_POLL)
                else:
                    numbered.set()
                if clock() - prepared_at > _PREPARE_EVERY_S:
                    async with context.database.connection() as connection:
                        await days.prepare(connection)
                    prepared_at = clock()
                beat()


async def forward_events(
    context: Context, broker: Broker, publisher: EventPublisher, numbered: asyncio.Event, stop: asyncio.Event
) -> None:
    """Publish what is in the log and what comes, until *stop*; *numbered* says that there is more."""
    await until_stopped(stop, _wait_for_log(broker))
    with context.vitals.loop("relay of events") as beat:
        while not stop.is_set():
            numbered.clear()
            if await publish_events(context, publisher) == 0:
                await wait_for_any(stop, numbered, within=_POLL)
            beat()


async def repeat_refused(context: Context, publisher: EventPublisher, stop: asyncio.Event) -> None:
    """Publish refused events again, until *stop*, beside the others: a queue that stays full holds up no news."""
    with context.vitals.loop("relay of refused events") as beat:
        while not stop.is_set():
            if await publish_refused(context, publisher) < BATCH:
                await wait_for_any(stop, within=_POLL)
            beat()


async def number_once(context: Context) -> int:
    """Give numbers to one batch of events and return how many it had."""
    async with context.database.transaction() as connection:
        return await numbering.number(connection, limit=BATCH)


async def publish_events(context: Context, publisher: EventPublisher) -> int:
    """Publish the next events of the log and return how many these were.

    The cursor moves only after the broker's answer, so a crash repeats some but loses none. A repeated event is the
    same to the letter.
    """
    async with context.database.connection() as connection:
        events = await publishing.unpublished(connection, limit=BATCH)
    if not events:
        return 0
    confirmed, refused = await _publish(publisher, events)
    async with context.database.connection() as connection:
        await publishing.advance(connection, events[-1].sequence, refused=refused)
    _note(events, confirmed, refused)
    return len(events)


async def publish_refused(context: Context, publisher: EventPublisher) -> int:
    """Publish refused events whose pause is over, and return how many these were."""
    async with context.database.connection() as connection:
        events = await publishing.refused(connection, limit=BATCH)
    if not events:
        return 0
    confirmed, refused = await _publish(publisher, events)
    async with context.database.connection() as connection:
        await publishing.settle(connection, confirmed, refused_again=refused)
    _note(events, confirmed, refused)
    return len(events)


async def _publish(publisher: EventPublisher, events: Sequence[LoggedEvent]) -> tuple[list[int], list[int]]:
    """Publish *events*; return the numbers of those that the broker took, and of the others."""
    taken = await publisher.publish(events)
    return sorted(taken), [event.sequence for event in events if event.sequence not in taken]


def _note(events: Sequence[LoggedEvent], confirmed: Sequence[int], refused: Sequence[int]) -> None:
    metrics.OUTBOX_PUBLISHED.labels(Kind.EVENT).inc(len(confirmed))
    metrics.OUTBOX_REFUSED.labels(Kind.EVENT).inc(len(refused))
    # A small batch names its deletions, so that one can be followed through the logs.
    named = events if len(events) <= _MOST_IN_A_LINE else ()
    deletions = sorted({event.headers[_CORRELATION] for event in named})
    log.info("relayed", kind=Kind.EVENT, messages=len(events), refused=len(refused), deletions=deletions)


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
