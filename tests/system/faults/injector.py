"""The faults, dealt at random: one deck of what the processes depend on, one of the processes themselves."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.system.faults.fleet import NAMES, Fleet, named
from tests.system.faults.journal import Journal
from tests.system.faults.network import why_not
from tests.system.faults.server_faults import Fault, ServerFaults
from tests.system.faults.volume import Absence, Volume

_CLOCKS: Final = ("+3650d", "-3650d")
_LONGEST_S: Final = 4
_ALIKE: Final = (
    ("broker restarted", "broker killed", "broker wiped"),
    ("connections closed", "memory alarm"),
    ("database restarted, fast", "database restarted, immediate", "database read-only"),
    ("storage moved away", "storage unmounted"),
    ("storage read-only", "storage refuses", "storage hangs"),
)
"""Faults from the same ground; the short run has one of each."""


class Injector:
    """Deals both decks again and again; within a deck one fault follows the other, so the decks meet at random."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        servers: ServerFaults,
        volume: Volume,
        chance: random.Random,
        journal: Journal,
        is_short: bool,
    ) -> None:
        self.rounds = 0
        """How often the deck of dependencies was dealt to its end."""

        self._fleet = fleet
        self._servers = servers
        self._volume = volume
        self._chance = chance
        self._journal = journal
        self._is_short = is_short

    def deals(self) -> Sequence[Callable[[asyncio.Event], Coroutine[Any, Any, None]]]:
        """Return what deals the one deck, and what deals the other."""
        return (self._deal_dependencies, self._deal_processes)

    async def _deal_dependencies(self, stop: asyncio.Event) -> None:
        """Inject what the processes depend on, until *stop*; the fault that is on is mended first."""
        deck: dict[str, Fault] = {**self._servers.faults, **self._silences(), **self._absences()}
        while not stop.is_set():
            for kind in self._hand(deck):
                if stop.is_set():
                    return
                self._journal.say(f"{kind}: begins")
                self._journal.count(kind)
                async with self._journal.window(kind):
                    await deck[kind]()
                self._journal.say(f"{kind}: over")
                await self._pause(stop, 0.3, 2)
            self.rounds += 1

    async def _deal_processes(self, stop: asyncio.Event) -> None:
        """Kill, stop and mislead processes until *stop*."""
        deck: dict[str, Fault] = {
            **{
                f"kill -9 {command}": partial(self._kill, command) for command in ("serve", "relay", "work", "schedule")
            },
            "kill -9 all": self._kill_all,
            "SIGTERM work": self._terminate,
            **self._clocks(),
        }
        while not stop.is_set():
            for kind in self._chance.sample(sorted(deck), len(deck)):
                if stop.is_set():
                    return
                self._journal.say(kind)
                self._journal.count(kind)
                await deck[kind]()
                await self._pause(stop, 1, 5)

    def _hand(self, deck: Mapping[str, Fault]) -> list[str]:
        """Return the faults of one deal: each once, or, where it is to be short, one that is like some others."""
        kinds = sorted(deck)
        if self._is_short:
            families = [[kind for kind in kinds if kind in family] for family in _ALIKE]
            kinds = [self._chance.choice(family) for family in families if family]
        return self._chance.sample(kinds, len(kinds))

    def _silences(self) -> dict[str, Fault]:
        deck: dict[str, Fault] = {}
        for kind, silence in self._servers.silences.items():
            if silence is None:
                self._journal.cannot(kind, why_not())
            else:
                deck[kind] = silence
        return deck

    def _absences(self) -> dict[str, Fault]:
        deck: dict[str, Fault] = {}
        for kind, absence in self._volume.faults.items():
            if absence is None:
                self._journal.cannot(kind, self._volume.why_not)
            else:
                deck[kind] = partial(self._absent, absence)
        return deck

    async def _absent(self, absence: Absence) -> None:
        await absence(self._chance.uniform(0.2, _LONGEST_S))

    def _clocks(self) -> dict[str, Callable[[], Awaitable[None]]]:
        library = find_clock_library()
        if library is None:
            self._journal.cannot("clock", "libfaketime is not installed")
            return {}
        return {f"clock {offset}": partial(self._mislead, library, offset) for offset in _CLOCKS}

    async def _kill(self, command: str) -> None:
        await self._fleet.kill(*self._fleet.pick(command, self._chance))

    async def _kill_all(self) -> None:
        await self._fleet.kill(*NAMES)

    async def _terminate(self) -> None:
        await self._fleet.terminate(self._fleet.pick("work", self._chance)[0])

    async def _mislead(self, library: Path, offset: str) -> None:
        # The scheduler above all; what it does is reckoned with the clock of the database only.
        command = self._chance.choice(("schedule", "schedule", "work", "relay"))
        names = named(command)
        self._journal.say(f"clock {offset}: of {command}")
        await self._fleet.with_clock(names, library, offset, self._chance.uniform(2, 2 * _LONGEST_S))

    async def _pause(self, stop: asyncio.Event, shortest: float, longest: float) -> None:
        try:
            async with asyncio.timeout(self._chance.uniform(shortest, longest)):
                await stop.wait()
        except TimeoutError:
            pass


def find_clock_library() -> Path | None:
    """Return the library that gives a process another clock."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
