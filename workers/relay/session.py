"""The relay as a process: one is active, others wait to take over."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

from service.backlog import queues
from service.context import Context
from service.infra.postgres.database import Database, DatabaseUnavailableError
from service.infra.postgres.sessions.advisory_locks import ProcessLock
from service.infra.rabbitmq.broker import Broker
from service.infra.rabbitmq.consuming import BrokerUnavailableError
from service.observing import metrics
from service.observing.servers import Condition, ObservedServer
from workers.queue_watch import QueueWatch
from workers.relay.commands import forward_commands
from workers.relay.events import forward_events, number_events, repeat_refused, take_over_log
from workers.runtime.broker_wait import use_broker, wait_for_broker
from workers.runtime.loops import reopen_until, together, wait_for_any
from workers.runtime.stand_by import stand_by

_CHECK_EVERY: Final = timedelta(seconds=5)
"""How often the lengths of the queues are queried."""
_PAUSE: Final = timedelta(seconds=1)
_ALONE_S: Final = 15.0
"""How long a relay that has lost the broker tries to get it back before another relay may take over."""

log = structlog.get_logger()


async def run_relay(context: Context, stop: asyncio.Event) -> None:
    """Relay until *stop*; events are numbered also while the broker is away.

    Raises:
        StartError: the broker refuses us at the start, or is away for very long; later on, it is waited for.
    """
    metrics.ACTIVE.labels("relay").set(0)
    reached = asyncio.Event()
    await together(
        _reach_broker(context, reached, stop),
        reopen_until(stop, lambda: _compete(context, reached, stop)),
    )


async def _reach_broker(context: Context, reached: asyncio.Event, stop: asyncio.Event) -> None:
    await wait_for_broker(context.settings, stop)
    context.servers.note(ObservedServer.BROKER, Condition.OK)  # a waiting relay has no connection to it
    reached.set()


async def _compete(context: Context, reached: asyncio.Event, stop: asyncio.Event) -> None:
    async with context.database.lock(ProcessLock.RELAY) as lock:
        with context.vitals.loop("standby of the relay") as beat:
            await stand_by(lock, stop, process="relay", beat=beat)
        if not stop.is_set():
            await _relay(context, reached, stop)


async def _relay(context: Context, reached: asyncio.Event, stop: asyncio.Event) -> None:
    """Relay until *stop* is set, or a connection breaks: then another relay may do better."""
    await take_over_log(context)
    numbered = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(number_events(context, numbered, stop))
        group.create_task(_keep_publishing(context, reached, numbered, stop))


async def _keep_publishing(
    context: Context, reached: asyncio.Event, numbered: asyncio.Event, stop: asyncio.Event
) -> None:
    """Publish until *stop*. A lost broker is tried again, and does not end the numbering.

    Raises:
        BrokerUnavailableError: one of these, in a group, when it could not be got back.
    """
    await _wait_until(reached, stop)
    clock = asyncio.get_running_loop().time
    lost_at = began = clock()
    connected = asyncio.Event()
    while not stop.is_set():
        connected.clear()
        try:
            await _publish(context, numbered, connected, stop)
        except* BrokerUnavailableError as lost:
            if connected.is_set() and clock() - began >= _ALONE_S:
                lost_at = clock()
                log.warning("session_broken", reason=str(lost.exceptions[0]))
            if clock() - lost_at >= _ALONE_S:
                raise
            await wait_for_any(stop, within=_PAUSE)
        began = clock()


async def _publish(context: Context, numbered: asyncio.Event, connected: asyncio.Event, stop: asyncio.Event) -> None:
    async with use_broker(context, name="packyard-relay") as (broker, note), asyncio.TaskGroup() as group:
        connected.set()
        log.info("relay_active")
        # Each kind by itself: a subscriber's queue that confirms nothing must not hold up commands.
        group.create_task(forward_commands(context, await broker.command_publisher(), stop))
        group.create_task(forward_events(context, broker, await broker.event_publisher(), numbered, stop))
        group.create_task(repeat_refused(context, await broker.event_publisher(), stop))
        group.create_task(_watch_queues(context.database, broker, stop, note))
        with metrics.active("relay"):
            await stop.wait()


async def _wait_until(reached: asyncio.Event, stop: asyncio.Event) -> None:
    while not reached.is_set() and not stop.is_set():
        await wait_for_any(reached, stop, within=_CHECK_EVERY)


async def _watch_queues(database: Database, broker: Broker, stop: asyncio.Event, note: Callable[[], None]) -> None:
    watch = QueueWatch(broker)
    with watch.exported():
        while not stop.is_set():
            if await watch.refresh():
                note()
            await _report(database, watch)
            await wait_for_any(stop, within=_CHECK_EVERY)


async def _report(database: Database, watch: QueueWatch) -> None:
    try:
        async with database.connection() as connection:
            await queues.note_report(connection, watch.seen)
    except DatabaseUnavailableError as error:
        # The next report is due in a moment, and the age of the last one shows that it is old.
        log.warning("queue_report_waits", reason=repr(error))
