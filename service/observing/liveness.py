"""Liveness of a process: whether its loops turn, and whether it is stopping."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_PATIENCE_S: Final = 180.0
"""Longer than any one turn of a loop may take, with every timeout of its statements and chunks used up."""


class Vitals:
    """The pulses of the loops that a process must not be without."""

    def __init__(self, stop: asyncio.Event | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without loops; *stop* is the event that ends the process."""
        self._stop = stop or asyncio.Event()
        self._clock = clock
        self._beats: dict[object, tuple[str, float]] = {}

    @property
    def is_stopping(self) -> bool:
        """Whether the process is ending: nothing new should be sent to it."""
        return self._stop.is_set()

    @contextmanager
    def loop(self, name: str) -> Iterator[Callable[[], None]]:
        """Watch a loop as long as the block runs; the loop calls what it is given, once a turn.

        A loop that waits for a server to come back should not be inside of one: an outage is no reason to start again.
        Loops of one name are watched each by itself.
        """
        key = object()

        def beat() -> None:
            self._beats[key] = name, self._clock()

        beat()
        try:
            yield beat
        finally:
            del self._beats[key]

    def silent(self) -> list[str]:
        """Return the loops that have not turned for so long that only a new process helps."""
        now = self._clock()
        return sorted({name for name, last in self._beats.values() if now - last > _PATIENCE_S})
