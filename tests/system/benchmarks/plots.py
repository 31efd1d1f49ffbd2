"""Plots of cost against size, as SVG: the CPU of all processes for one request."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from tests.system.benchmarks.cases.families import FAMILIES
from tests.system.benchmarks.figures import Result

_WIDTH: Final = 720
_HEIGHT: Final = 360
_LEFT: Final = 60
_RIGHT: Final = 500
_TOP: Final = 40
_BOTTOM: Final = 310
_HEAD: Final = f"""
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>
""".strip()
_COLOURS: Final = ("#1b6ac9", "#c2410c", "#15803d", "#7e22ce", "#b91c1c", "#0e7490", "#a16207", "#4b5563")
_LINE_HEIGHT: Final = 16


def draw_plots(folder: Path, results: Sequence[Result]) -> list[Path]:
    """Write a plot for each family of cases that was measured in catalogues of several sizes; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for family in FAMILIES:
        lines = _lines([result for result in results if result.case in family.cases])
        if lines:
            path = folder / f"{family.cases[0]}.svg"
            path.write_text(_plot(lines), encoding="utf-8")
            written.append(path)
    return written


def _lines(results: Sequence[Result]) -> dict[str, list[tuple[int, float]]]:
    """Return the points of each case: packages of the catalogue -> milliseconds of CPU."""
    lines: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for result in sorted(results, key=lambda result: result.packages):
        if result.product.cpu:
            lines[result.case].append((result.packages, result.product.cpu))
    return {case: points for case, points in lines.items() if len(points) > 1}


def _plot(lines: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    sizes = sorted({size for points in lines.values() for size, _ in points})
    costs = [cost for points in lines.values() for _, cost in points]
    low, high = 10 ** math.floor(math.log10(min(costs))), 10 ** math.ceil(math.log10(max(costs)))
    decades = [10.0**power for power in range(round(math.log10(low)), round(math.log10(high)) + 1)]
    parts = [_text(_LEFT, 20, "CPU for one request, all processes, in milliseconds, by packages in the catalogue")]
    for cost in decades:
        y = _scaled(cost, (low, high), (_BOTTOM, _TOP))
        parts += [f'<path d="M{_LEFT} {y:.0f}H{_RIGHT}" stroke="#ddd"/>', _text(8, y + 4, f"{cost:g}")]
    for size in sizes:
        x = _scaled(size, (sizes[0], sizes[-1]), (_LEFT, _RIGHT))
        parts.append(_text(min(x, _RIGHT - 30), _BOTTOM + 20, f"{size:,}"))
    for number, (case, points) in enumerate(lines.items()):
        xs = [_scaled(size, (sizes[0], sizes[-1]), (_LEFT, _RIGHT)) for size, _ in points]
        ys = [_scaled(cost, (low, high), (_BOTTOM, _TOP)) for _, cost in points]
        places = [f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True)]
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(f'<polyline points="{" ".join(places)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        label = f"{case}: {points[0][1]:.2f} to {points[-1][1]:.2f}"
        parts.append(_text(_RIGHT + 12, _TOP + number * _LINE_HEIGHT, label, colour))
    return "\n".join([_HEAD, *parts, "</svg>", ""])


def _scaled(value: float, ends: tuple[float, float], places: tuple[float, float]) -> float:
    """Return where a value is on an axis whose steps are factors."""
    part = math.log(value / ends[0]) / math.log(ends[1] / ends[0])
    return places[0] + part * (places[1] - places[0])


def _text(x: float, y: float, text: str, colour: str = "#111") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{colour}">{escape(text)}</text>'
