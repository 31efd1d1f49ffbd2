"""The faults that were injected, when, and for how long: a line each as it happens, and the windows for the check."""

import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rich.console import Console


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which something that deletions need was away, from just before until it was back."""

    kind: str
    began: float
    ended: float


@dataclass(slots=True)
class Journal:
    """The faults of one run."""

    began: float = field(default_factory=time.time)
    counts: Counter[str] = field(default_factory=Counter)
    windows: list[Window] = field(default_factory=list)
    begun: int = 0
    """How many windows have begun; those of `windows` are over."""

    missing: dict[str, str] = field(default_factory=dict)
    """Faults that could not be injected on this machine, and why."""

    _console: Console = field(default_factory=lambda: Console(soft_wrap=True, highlight=False, markup=False))

    def say(self, text: str) -> None:
        """Print a line with the time since the beginning."""
        self._console.print(f"{time.time() - self.began:8.2f}  {text}")

    def count(self, kind: str) -> None:
        """Note a fault."""
        self.counts[kind] += 1

    def cannot(self, kind: str, why: str) -> None:
        """Say once that a fault cannot be injected."""
        if kind not in self.missing:
            self.missing[kind] = why
            self.say(f"{kind}: cannot be injected here: {why}")

    @asynccontextmanager
    async def window(self, kind: str) -> AsyncGenerator[None]:
        """Note the absence of something, which lasts as long as the block."""
        began = time.time()
        self.begun += 1
        try:
            yield
        finally:
            self.windows.append(Window(kind, began, time.time()))

    def named(self, kinds: Iterable[str]) -> list[Window]:
        """Return the windows of these kinds, in their order."""
        wanted = set(kinds)
        return [window for window in self.windows if window.kind in wanted]
