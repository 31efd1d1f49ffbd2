"""The servers of a process: whether it has reached each, and the result of the last ping."""

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from service.observing import metrics


class ObservedServer(StrEnum):
    """A server that a process may need."""

    DATABASE = "database"
    STORE = "store"
    BROKER = "broker"


class Condition(StrEnum):
    """The result of a ping."""

    OK = "ok"
    AWAY = "does not answer"
    READ_ONLY = "takes no writes"
    FOREIGN = "has no mark of ours: is the volume mounted?"


OF_EVERY_PROCESS: Final = frozenset({ObservedServer.DATABASE, ObservedServer.STORE})


class Servers:
    """The servers of one process."""

    def __init__(
        self, needed: Collection[ObservedServer] = OF_EVERY_PROCESS, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin without having reached any of those that are *needed*."""
        self.needed: Final = frozenset(needed)
        self._clock = clock
        self._seen: dict[ObservedServer, Condition] = {}
        self._seen_at: dict[ObservedServer, float] = {}
        self._reached: set[ObservedServer] = set()

    def note(self, server: ObservedServer, condition: Condition) -> None:
        """Keep what a ping, or any other use, saw of a server."""
        self._seen[server] = condition
        self._seen_at[server] = self._clock()
        if condition is Condition.OK:
            self._reached.add(server)

    @contextmanager
    def in_use(self, server: ObservedServer, *failures: type[Exception]) -> Iterator[Callable[[], None]]:
        """Give what notes that a server is there; note that it is away if one of *failures* ends the block."""
        try:
            yield lambda: self.note(server, Condition.OK)
        except* failures:
            self.note(server, Condition.AWAY)
            raise

    def age_s(self, server: ObservedServer) -> float:
        """Return how many seconds ago a server was seen last."""
        return self._clock() - self._seen_at.get(server, -math.inf)

    def condition(self, server: ObservedServer) -> Condition | None:
        """Return what was seen last of a server."""
        return self._seen.get(server)

    @property
    def missing(self) -> Collection[ObservedServer]:
        """Servers that are needed and were never reached, so that a wrong address or password may be the reason.

        A server that was reached once is never missing again: an outage takes away all replicas, not one.
        """
        return self.needed - self._reached

    def conditions(self) -> Mapping[str, str]:
        """Return what was seen last of each server that is needed."""
        return {
            server: self._seen.get(server, "was not reached yet") for server in ObservedServer if server in self.needed
        }

    def gauges(self) -> metrics.MetricFamilies:
        """Return what was seen last, as metrics."""
        yield metrics.gauges(
            "packyard_server_up",
            "Whether the server answered this process the last time that it was asked",
            ("server",),
            [((server,), seen in {Condition.OK, Condition.READ_ONLY}) for server, seen in self._seen.items()],
        )
        if ObservedServer.DATABASE in self._seen:
            is_read_only = self._seen[ObservedServer.DATABASE] is Condition.READ_ONLY
            yield metrics.gauges(
                "packyard_database_read_only",
                "Whether the database takes no writes, as after a failover that has led to a standby",
                (),
                [((), is_read_only)],
            )
