"""Waiting for the broker at the start of a process: its absence is no reason to end, neither then nor later."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import chain, repeat
from typing import Final

import structlog

from service.context import Context, open_context
from service.errors import BrokerAwayError
from service.infra.postgres.waiting import repeat_until_done
from service.infra.rabbitmq.broker import Broker, open_broker, require_broker
from service.infra.rabbitmq.consuming import BrokerUnavailableError
from service.observing.servers import ObservedServer
from service.settings import Settings
from workers.runtime.loops import wait_for_any
from workers.runtime.signals import until_stopped

_PAUSES: Final = tuple(timedelta(seconds=pause) for pause in (1, 2, 4, 8))
_LONGEST_PAUSE: Final = timedelta(seconds=15)
_LONGEST_WAIT: Final = timedelta(minutes=15)
"""Longer than the ten minutes after which Kubernetes starts a container again without a growing pause."""

log = structlog.get_logger()


@asynccontextmanager
async def use_broker(context: Context, *, name: str) -> AsyncGenerator[tuple[Broker, Callable[[], None]]]:
    """Connect to the broker as *name*; give it, and what notes that it is there.

    Raises:
        BrokerUnavailableError: one of these, when the broker cannot be reached, refuses, or goes away.
    """
    with context.servers.in_use(ObservedServer.BROKER, *BrokerUnavailableError) as note:
        async with open_broker(context.settings.broker_url.get_secret_value(), name=name) as broker:
            note()
            yield broker, note


async def wait_for_servers(settings: Settings, *, patience: timedelta, with_broker: bool) -> None:
    """Return when a process with *settings* could start: its servers answer, let it in, and are prepared.

    These are the database with its schema, the object store, and if *with_broker*, the broker.

    Raises:
        StartError: one of them could still not be used when *patience* ended.
    """

    async def reach() -> None:
        async with open_context(settings, connections=1):
            pass
        if with_broker:
            await require_broker(settings.broker_url.get_secret_value())

    await repeat_until_done(reach, patience=patience, event="waiting_for_servers")


async def wait_for_broker(settings: Settings, stop: asyncio.Event, *, within: timedelta = _LONGEST_WAIT) -> None:
    """Return when the broker can be used, or *stop* is set; each failed try is logged, with ever longer pauses.

    Raises:
        BrokerAwayError: it was still away after that time.
        StartError: it refuses us.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    for pause in chain(_PAUSES, repeat(_LONGEST_PAUSE)):
        try:
            await until_stopped(stop, require_broker(settings.broker_url.get_secret_value()))
        except BrokerAwayError as away:
            waited = timedelta(seconds=loop.time() - began)
            if waited >= within:
                raise
            log.warning("waiting_for_broker", reason=str(away), waited_s=round(waited.total_seconds(), 1))
            await wait_for_any(stop, within=min(pause, within - waited))
        else:
            return
        if stop.is_set():
            return
