"""The processes of a yard, each started again when it ends, as Kubernetes does it."""

import asyncio
import random
from collections.abc import Collection, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Final

from tests.support.yard import Yard
from tests.system.faults.journal import Journal

NAMES: Final = ("serve", "relay", "relay-2", "work", "work-2", "schedule", "schedule-2")

_GLANCE_S: Final = 0.2
_PATIENCE_S: Final = 20
_LAST_WORDS: Final = 6_000
_START_FAILED: Final = "packyard: "
"""The beginning of the line of a process that could not start, because something that it needs is away."""


class Fleet:
    """Two of everything but the API: one that works, and one that works too or is on standby."""

    def __init__(self, yard: Yard, journal: Journal, settings: Mapping[str, Mapping[str, str]]) -> None:
        self.yard = yard
        self.broken: list[str] = []
        """Processes that ended by themselves though they could start, or not well when asked to."""

        self._journal = journal
        self._settings = settings
        self._extra: dict[str, Mapping[str, str]] = {}
        self._held: set[str] = set()
        self._started: set[str] = set()

    async def keep_running(self) -> None:
        """Start whatever does not run, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name in NAMES:
                group.create_task(self._keep_running(name))

    async def kill(self, *names: str) -> None:
        """End them with kill -9; they are started again. When none of a kind is left, return when one is back."""
        self._started.difference_update(names)
        commands = {name.partition("-")[0] for name in NAMES}
        gone = {command for command in commands if all(name in names for name in named(command))}
        async with self._journal.window(f"no {' and '.join(sorted(gone))}") if gone else nullcontext():
            await self.yard.kill(*(name for name in names if self.yard.running(name)))
            await self._back(gone)

    async def terminate(self, name: str) -> None:
        """End it with SIGTERM; it has to end well unless something it needs is away."""
        if not self.yard.running(name):
            return
        self._held.add(name)
        self._started.discard(name)
        windows = len(self._journal.windows)
        try:
            await self.yard.terminate(name)
        except (AssertionError, TimeoutError, ExceptionGroup) as error:
            was_calm = windows == self._journal.begun
            if was_calm and not self._could_not_start(name):
                self.broken.append(f"{name} did not stop well: {error!r}")
        finally:
            self._held.discard(name)

    async def with_clock(self, names: tuple[str, ...], library: Path, offset: str, seconds: float) -> None:
        """Let them live *offset* from now for a while."""
        fake = {"LD_PRELOAD": str(library), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self._extra.update(dict.fromkeys(names, fake))
        await self.kill(*names)
        try:
            await asyncio.sleep(seconds)
        finally:
            for name in names:
                self._extra.pop(name)
            await self.kill(*names)

    async def stop(self, name: str) -> None:
        """End it with SIGTERM, for good."""
        self._held.add(name)
        await self.yard.terminate(name)

    def pick(self, command: str, chance: random.Random) -> tuple[str, ...]:
        """Choose one or all of the processes of a kind."""
        names = named(command)
        return names if chance.random() < 0.3 else (chance.choice(names),)

    async def _keep_running(self, name: str) -> None:
        while True:
            if name not in self._held and not self.yard.running(name):
                self._note_end(name)
                try:
                    await self.yard.start(name, settings={**self._settings.get(name, {}), **self._extra.get(name, {})})
                except AssertionError:  # the API waits for its database, or was killed again
                    pass
                else:
                    self._started.add(name)
            await asyncio.sleep(_GLANCE_S)

    async def _back(self, commands: Collection[str]) -> None:
        """Wait until there is one of each kind that does its work."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                for command in commands:
                    while not any(map(self.yard.has_begun, named(command))):
                        await asyncio.sleep(_GLANCE_S)

    def _note_end(self, name: str) -> None:
        if name not in self._started:
            return
        self._started.discard(name)
        if not self._could_not_start(name):
            self.broken.append(f"{name} ended by itself: {self.yard.log(name)[-_LAST_WORDS:]}")

    def _could_not_start(self, name: str) -> bool:
        return self.yard.log(name).rstrip().rpartition("\n")[2].startswith(_START_FAILED)


def named(command: str) -> tuple[str, ...]:
    """Return the processes of a kind."""
    return tuple(name for name in NAMES if name.partition("-")[0] == command)
