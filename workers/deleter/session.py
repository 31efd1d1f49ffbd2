"""The deletion worker: takes commands from its queues and carries them out, a batch at a time."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final
from uuid import UUID, uuid4

import structlog
from pydantic import ValidationError

from schemas.messages.commands import Delete
from schemas.names import Lane
from service.context import Context
from service.deletions.wake import neglected
from service.errors import StorageRefusedError, StorageUnavailableError
from service.infra.postgres.database import DatabaseUnavailableError
from service.infra.rabbitmq.consuming import Consumer, Delivery
from service.observing import metrics
from workers.deleter.announced import take_announced
from workers.deleter.batch import carry_out
from workers.runtime.broker_wait import use_broker, wait_for_broker
from workers.runtime.loops import reopen_until, together, wait_for_any

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Share:
    """How much of a lane one worker takes: batches at a time, commands a batch, commands that it holds."""

    batches: int
    commands: int
    prefetch: int


_SHARES: Final = MappingProxyType(
    {
        # People wait for these: many small batches, so that a large package holds up few others.
        Lane.INTERACTIVE: _Share(batches=4, commands=8, prefetch=64),
        # One command is about a hundred packages already: what waits with one worker, others cannot take.
        Lane.BULK: _Share(batches=2, commands=1, prefetch=2),
    }
)
_TAKE_WITHIN_S: Final = 0.5
_WATCH_EVERY: Final = timedelta(seconds=1)
_NEGLECTED_EVERY: Final = timedelta(seconds=15)
_CHECKS_IN_A_LEASE: Final = 2
"""So often, since a claim that lapsed has to be taken over before another two leases are over."""

_NEGLECTED_LIMIT: Final = 100
_PAUSE: Final = timedelta(seconds=1)


async def run_deleter(context: Context, lanes: Sequence[Lane], stop: asyncio.Event) -> None:
    """Work on *lanes* until *stop*, and then end after the chunk under way.

    The chunk may wait for its turn behind another one, and each takes up to `STORAGE_TIMEOUT`. By default,
    `terminationGracePeriodSeconds` is therefore twice as long. A kill before that costs time: the lease has to lapse.

    Raises:
        StartError: the broker refuses us at the start, or is away for very long; later on, it is waited for.
    """
    for lane in lanes:
        metrics.CONSUMER_UP.labels(lane.queue).set(0)
    # Claims that lapsed are taken over without the broker, too.
    await together(
        _take_commands(context, lanes, stop),
        reopen_until(stop, lambda: _take_neglected(context, lanes, stop)),
        *([reopen_until(stop, lambda: _take_announced(context, stop))] if Lane.INTERACTIVE in lanes else []),
        _warn_of_kept_bytes(context),
    )


async def _take_commands(context: Context, lanes: Sequence[Lane], stop: asyncio.Event) -> None:
    await wait_for_broker(context.settings, stop)
    await reopen_until(stop, lambda: _session(context, lanes, stop))


async def _warn_of_kept_bytes(context: Context) -> None:
    try:
        is_kept = await context.store.keeps_removed()
    except (StorageRefusedError, StorageUnavailableError) as error:
        log.warning("versions_unknown", reason=str(error))
        return
    if is_kept:
        log.warning(
            "removed_bytes_are_kept",
            storage_url=context.settings.storage_url,
            reason="the bucket keeps versions: what is removed stays as an older one until a lifecycle rule expires it",
        )


async def _take_announced(context: Context, stop: asyncio.Event) -> None:
    await take_announced(context.database, lambda ids: _work_on(context, ids, stop), stop)


async def _take_neglected(context: Context, lanes: Sequence[Lane], stop: asyncio.Event) -> None:
    """Fetch from the database what the queues do not bring, or not in time: one of them is long, or broken for good."""
    every = min(_NEGLECTED_EVERY, context.settings.lease / _CHECKS_IN_A_LEASE)
    while not stop.is_set():
        ids = await neglected(context.deletions, lanes, limit=_NEGLECTED_LIMIT)
        if ids:
            log.warning("neglected_deletions_fetched", deletions=len(ids))
            await _work_on(context, ids, stop)
        await wait_for_any(stop, within=_PAUSE if ids else every)


async def _session(context: Context, lanes: Sequence[Lane], stop: asyncio.Event) -> None:
    """Consume over one connection until it breaks or *stop* is set."""
    async with use_broker(context, name="packyard-worker") as (broker, note):
        over = asyncio.Event()
        consumers = {lane: await broker.consumer(lane.queue, prefetch=_SHARES[lane].prefetch) for lane in lanes}
        log.info("worker_consuming", lanes=[lane.value for lane in lanes])
        async with asyncio.TaskGroup() as group:
            for lane, consumer in consumers.items():
                for _ in range(_SHARES[lane].batches):
                    group.create_task(_consume(context, consumer, _SHARES[lane].commands, stop=stop, over=over))
            try:
                await _watch(context, consumers, stop, note)
            finally:
                over.set()
        for consumer in consumers.values():
            await consumer.stop()


async def _watch(
    context: Context, consumers: Mapping[Lane, Consumer], stop: asyncio.Event, note: Callable[[], None]
) -> None:
    """Return when *stop* is set or some consumer gets nothing any more."""
    with context.vitals.loop("consumers") as beat, _up(consumers):
        while not stop.is_set():
            await wait_for_any(stop, within=_WATCH_EVERY)
            for lane, consumer in consumers.items():
                if not await consumer.is_alive():
                    log.warning("consumer_lost", lane=lane.value)
                    return
            beat()
            note()


@contextmanager
def _up(lanes: Iterable[Lane]) -> Iterator[None]:
    gauges = [metrics.CONSUMER_UP.labels(lane.queue) for lane in lanes]
    for gauge in gauges:
        gauge.set(1)
    try:
        yield
    finally:
        for gauge in gauges:
            gauge.set(0)


async def _consume(
    context: Context, consumer: Consumer, commands: int, *, stop: asyncio.Event, over: asyncio.Event
) -> None:
    while not stop.is_set() and not over.is_set():
        deliveries = await consumer.take(commands, within=_TAKE_WITHIN_S)
        ids = [deletion_id for delivery in deliveries for deletion_id in await _read(consumer, delivery)]
        # The end of the session is a reason to stop, too: a claim is given back after the chunk.
        is_done = not ids or await _work_on(context, ids, over)
        for delivery in deliveries:
            await (delivery.ack() if is_done else delivery.give_back())


async def _read(consumer: Consumer, delivery: Delivery) -> Sequence[UUID]:
    try:
        return Delete.model_validate_json(delivery.body).deletion_ids
    except ValidationError as error:
        log.warning("command_unreadable", size=len(delivery.body))
        await consumer.bury(delivery, f"not a command: {error.errors()[0]['msg']}")
        return ()


async def _work_on(context: Context, ids: Sequence[UUID], stop: asyncio.Event) -> bool:
    """Carry out a batch, and wait for the database as long as it is away; return whether it was begun at all.

    Whatever else goes wrong ends here: the claim lapses, and the scheduler sends for the deletions again.
    """
    token = uuid4()
    while not stop.is_set():
        if await _try_batch(context, ids, stop, token=token):
            return True
        await wait_for_any(stop, within=_PAUSE)
    return False


async def _try_batch(context: Context, ids: Sequence[UUID], stop: asyncio.Event, *, token: UUID) -> bool:
    """Carry out the batch; return whether the database was there all the time."""
    was_there = True
    try:
        await carry_out(context, ids, stop, token=token)
    except* DatabaseUnavailableError as error:
        log.warning("database_unavailable", reason=repr(error.exceptions[0]))
        was_there = False
    except* Exception:
        log.exception("batch_broken", deletion_ids=[str(deletion_id) for deletion_id in ids])
    return was_there
