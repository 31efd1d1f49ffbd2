"""Figures of a case: rounds of two things measured in turn, and what follows from them."""

import math
import os
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle and the ends of several figures."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Self:
        """Return the spread of at least one figure."""
        return cls(statistics.median(figures), min(figures), max(figures))


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement: a rate or a time, and its costs."""

    figure: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    cpu_ms: dict[str, float] = field(default_factory=dict)
    """Milliseconds of CPU for one request or package, by process."""


@dataclass(frozen=True, slots=True)
class Side:
    """The results of one of the two things, over all rounds."""

    what: str
    figure: Spread
    p50_ms: float | None
    p99_ms: float | None
    cpu_ms: dict[str, float]

    @classmethod
    def of(cls, what: str, rounds: Sequence[Round]) -> Self:
        """Sum up the rounds of one side."""
        return cls(
            what,
            Spread.of([each.figure for each in rounds]),
            _median([each.p50_ms for each in rounds]),
            _median([each.p99_ms for each in rounds]),
            {name: statistics.median(each.cpu_ms.get(name, 0.0) for each in rounds) for name in rounds[0].cpu_ms},
        )

    @property
    def cpu(self) -> float:
        """The CPU of all processes, in milliseconds for one request or package."""
        return sum(self.cpu_ms.values())


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a case in a catalogue of one size."""

    case: str
    size: str
    packages: int
    """How many packages the catalogue has."""
    unit: str
    product: Side
    reference: Side | None = None
    ratio: Spread | None = None
    """How much of the reference is reached: 1 is as good, less is worse, for rates and for times."""
    reach: float | None = None
    """The ratio that is wanted, if one is."""
    details: dict[str, float | str] = field(default_factory=dict)
    load: tuple[float, float] = (0.0, 0.0)
    """The machine's load average over a minute, before and after."""


def is_time(unit: str) -> bool:
    """Return whether less is better."""
    return unit in {"s", "ms", "MiB"}


async def in_turn(
    first: Callable[[int], Awaitable[Round]], second: Callable[[int], Awaitable[Round]], *, rounds: int = ROUNDS
) -> tuple[list[Round], list[Round]]:
    """Measure both by turns, so that what else the machine does meets both."""
    one, other = [], []
    for number in range(rounds):
        one.append(await first(number))
        other.append(await second(number))
    return one, other


def ratios(product: Sequence[Round], reference: Sequence[Round], unit: str) -> Spread:
    """Return the ratio of each pair of rounds."""
    pairs = zip(product, reference, strict=True)
    return Spread.of([_part(b, a) if is_time(unit) else _part(a, b) for a, b in pairs])


def load() -> float:
    """Return the machine's load average over a minute."""
    return os.getloadavg()[0]


def percentile(figures: Sequence[float], part: float) -> float:
    """Return the figure below which that part of all is."""
    return sorted(figures)[min(len(figures) - 1, int(len(figures) * part))]


def _part(one: Round, other: Round) -> float:
    return one.figure / other.figure if other.figure else math.inf


def _median(figures: Sequence[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return statistics.median(known) if known else None
