"""Plots as SVG that the server draws: steps for a level, bars for what came in each day."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 1_000
HEIGHT: Final = 200
"""The units of a plot; the page stretches it to its own width."""

_ROUND: Final = (1, 2, 5, 10)
_GAP: Final = 0.25
"""The share of a day's width that is left between two bars."""


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A bar, in units of the plot."""

    x: float
    y: float
    width: float
    height: float


def round_top(values: Sequence[int]) -> int:
    """Return a round number that is at least as large as all values, for the top of a scale; at least 1."""
    most = max(values, default=0)
    if most < 1:
        return 1
    power = int(10 ** math.floor(math.log10(most)))
    return next(step * power for step in _ROUND if step * power >= most)


def steps(values: Sequence[int], top: int) -> str:
    """Return the path of a level that stays for one day each, as the attribute `d` of an SVG path."""
    width = WIDTH / max(1, len(values))
    heights = [HEIGHT * (1 - value / top) for value in values]
    return " ".join(
        f"{'L' if i else 'M'}{i * width:.1f} {height:.1f} H{(i + 1) * width:.1f}" for i, height in enumerate(heights)
    )


def area(values: Sequence[int], top: int) -> str:
    """Return the path of the area below `steps`."""
    return f"{steps(values, top)} V{HEIGHT} H0 Z"


def bars(values: Sequence[int], top: int) -> Sequence[Rectangle]:
    """Return a bar for each day that has more than nothing."""
    width = WIDTH / max(1, len(values))
    return [
        Rectangle(
            x=round((i + _GAP / 2) * width, 1),
            y=round(HEIGHT * (1 - value / top), 1),
            width=round(width * (1 - _GAP), 1),
            height=round(HEIGHT * value / top, 1),
        )
        for i, value in enumerate(values)
        if value > 0
    ]
