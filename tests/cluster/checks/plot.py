"""A plot of workers and of the backlog that they follow over time, as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_LEFT: Final = 70
_RIGHT: Final = 650
_TOP: Final = 40
_BOTTOM: Final = 240
_HEAD: Final = """
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 290" font-family="sans-serif" font-size="12">
<rect width="720" height="290" fill="white"/>
""".strip()
_BACKLOG: Final = "#1b6ac9"
_WORKERS: Final = "#c2410c"
_STEPS: Final = 4


@dataclass(frozen=True, slots=True)
class Sample:
    """A moment: seconds since the deletions were asked for, deletions that are not over, and workers that are ready."""

    seconds: float
    left: int
    ready: int


def draw(samples: Sequence[Sample]) -> str:
    """Return the plot: the backlog by the scale at the left, workers by that at the right."""
    longest = max(samples[-1].seconds, 1)
    most_left = max(1, *(one.left for one in samples))
    most_ready = max(1, *(one.ready for one in samples))
    parts = [_HEAD, _text(_LEFT, 20, "deletions not over", _BACKLOG), _text(_RIGHT - 75, 20, "workers ready", _WORKERS)]
    for step in range(_STEPS + 1):
        y = _place(step / _STEPS, _BOTTOM, _TOP)
        x = _place(step / _STEPS, _LEFT, _RIGHT)
        parts.append(f'<path d="M{_LEFT} {y:.0f}H{_RIGHT}" stroke="#ddd"/>')
        parts.append(_text(10, y + 4, f"{most_left * step / _STEPS:,.0f}", _BACKLOG))
        parts.append(_text(_RIGHT + 10, y + 4, f"{most_ready * step / _STEPS:g}", _WORKERS))
        parts.append(_text(x - 10, _BOTTOM + 20, f"{longest * step / _STEPS:.0f} s", "#111"))
    times = [_place(one.seconds / longest, _LEFT, _RIGHT) for one in samples]
    backlog = [_place(one.left / most_left, _BOTTOM, _TOP) for one in samples]
    workers = [_place(one.ready / most_ready, _BOTTOM, _TOP) for one in samples]
    parts += [_line(times, backlog, _BACKLOG), _line(*_stairs(times, workers), _WORKERS), "</svg>", ""]
    return "\n".join(parts)


def _stairs(xs: Sequence[float], ys: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return the same points with a corner between each two, since there is no half of a worker."""
    return [xs[0], *(x for x in xs[1:] for _ in range(2))], [*(y for y in ys[:-1] for _ in range(2)), ys[-1]]


def _place(part: float, first: int, last: int) -> float:
    return first + part * (last - first)


def _line(xs: Sequence[float], ys: Sequence[float], colour: str) -> str:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>'


def _text(x: float, y: float, text: str, colour: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}">{text}</text>'
