"""The servers of a process: whether it has reached each, and the result of the last ping."""

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from service.observing import metrics


class Server(StrEnum):
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


OF_EVERY_PROCESS: Final = frozenset({Server.DATABASE, Server.STORE})


class Servers:
    """The servers of one process."""

    def __init__(
        self, needed: Collection[Server] = OF_EVERY_PROCESS, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin without having reached any of those that are *needed*."""
        self.needed: Final = frozenset(needed)
        self._clock = clock
        self._seen: dict[Server, Condition] = {}
        self._seen_at: dict[Server, float] = {}
        self._reached: set[Server] = set()

    def note(self, server: Server, condition: Condition) -> None:
        """Keep what a ping, or any other use, saw of a server."""
        self._seen[server] = condition
        self._seen_at[server] = self._clock()
        if condition is Condition.OK:
            self._reached.add(server)

    @contextmanager
    def in_use(self, server: Server, *failures: type[Exception]) -> Iterator[Callable[[], None]]:
        """Give what notes that a server is there; note that it is away if one of *failures* ends the block."""
        try:
            yield lambda: self.note(server, Condition.OK)
        except* failures:
            self.note(server, Condition.AWAY)
            raise

    def age_s(self, server: Server) -> float:
        """Return how many seconds ago a server was seen last."""
        return self._clock() - self._seen_at.get(server, -math.inf)

    def condition(self, server: Server) -> Condition | None:
        """Return what was seen last of a server."""
        return self._seen.get(server)

    @property
    def missing(self) -> Collection[Server]:
        """Servers that are needed and were never reached, so that a wrong address or password may be the reason.

        A server that was reached once is never missing again: an outage takes away all replicas, not one.
        """
        return self.needed - self._reached

    def conditions(self) -> Mapping[str, str]:
        """Return what was seen last of each server that is needed."""
        return {server: self._seen.get(server, "was not reached yet") for server in Server if server in self.needed}

    def gauges(self) -> metrics.Figures:
        """Return what was seen last, as metrics."""
        yield metrics.gauges(
            "packyard_server_up",
            "Whether the server answered this process the last time that it was asked",
            ("server",),
            [((server,), seen in {Condition.OK, Condition.READ_ONLY}) for server, seen in self._seen.items()],
        )
        if Server.DATABASE in self._seen:
            is_read_only = self._seen[Server.DATABASE] is Condition.READ_ONLY
            yield metrics.gauges(
                "packyard_database_read_only",
                "Whether the database takes no writes, as after a failover that has led to a standby",
                (),
                [((), is_read_only)],
            )
