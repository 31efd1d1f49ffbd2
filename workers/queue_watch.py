"""The state of our queues, as the one active relay sees it over its connection, exported at each scrape."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from schemas.messages.topology import DEAD_QUEUE
from schemas.names import Lane
from service.infra.rabbitmq.broker import Broker, QueueDepth
from service.observing import metrics

WATCHED: Final = (*(lane.queue for lane in Lane), DEAD_QUEUE)

_TIMEOUT_S: Final = 10.0


class QueueWatch:
    """The last known state of each queue."""

    def __init__(self, broker: Broker, *, within: float = _TIMEOUT_S) -> None:
        """Begin with nothing known; one query of all queues may take *within* seconds."""
        self._broker = broker
        self._within = within
        self._seen: dict[str, QueueDepth] = {}

    @property
    def seen(self) -> Mapping[str, QueueDepth]:
        """The last known state of each queue that could be read."""
        return self._seen

    @contextmanager
    def exported(self) -> Iterator[None]:
        """Export the gauges as long as the block runs."""
        with metrics.exported(self._gauges):
            yield

    async def refresh(self) -> bool:
        """Query each queue once, and return whether the broker has answered in time.

        One that cannot be used is not reported, nor is any when the broker is too busy.
        """
        before = self._seen.get(DEAD_QUEUE)
        try:
            async with asyncio.timeout(self._within):
                found = {name: await self._broker.queue_depth(name) for name in WATCHED}
        except TimeoutError:
            found = {}
        self._seen = {name: queue_depth for name, queue_depth in found.items() if queue_depth}
        if before and DEAD_QUEUE in self._seen:
            metrics.DEAD_LETTERS.inc(max(0, self._seen[DEAD_QUEUE].ready - before.ready))
        return bool(found)

    def _gauges(self) -> metrics.MetricFamilies:
        yield metrics.gauges(
            "packyard_queue_messages_ready",
            "Messages of a queue that no consumer has taken",
            ("queue",),
            [((name,), queue_depth.ready) for name, queue_depth in self._seen.items()],
        )
        yield metrics.gauges(
            "packyard_queue_consumers",
            "Consumers of a queue",
            ("queue",),
            [((name,), queue_depth.consumers) for name, queue_depth in self._seen.items()],
        )
