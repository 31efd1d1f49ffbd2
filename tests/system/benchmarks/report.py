"""Results as a table, as JSON, and beside those of an earlier run."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.system.benchmarks.figures import Result, Side, Spread, is_time

_WIDTH: Final = 190


def show(results: Sequence[Result], earlier: Mapping[tuple[str, str], float]) -> None:
    """Print the table; *earlier*: the figures of another run, by case and size."""
    table = Table(
        "case", "size", "packyard", "beside", "ratio", "reach", "p50, p99 (beside), ms", "CPU ms each (beside)"
    )
    if earlier:
        table.add_column("earlier")
    for result in results:
        before = earlier.get((result.case, result.size))
        cells = [
            f"{result.case}: {result.product.what}",
            result.size,
            _figure(result.product, result.unit),
            f"{_figure(result.reference, result.unit)} {result.reference.what}" if result.reference else "",
            _ratio(result.ratio),
            f"{result.reach:.2f}" if result.reach else "",
            _latencies(result),
            _cpu(result),
        ]
        table.add_row(*cells, *([_change(result, before)] if earlier else []))
        for name, value in result.details.items():
            table.add_row("", "", f"{name}: {value:,.1f}" if isinstance(value, float) else f"{name}: {value}")
    Console(width=_WIDTH).print(table)


def in_short(result: Result) -> str:
    """Return one line: the case, its figure, the ratio, and the CPU of each process."""
    parts = [f"{result.case}: {result.product.figure.median:,.1f} {result.unit}"]
    if result.ratio is not None:
        parts.append(f"ratio {_ratio(result.ratio)}")
    return ", ".join([*parts, *([f"CPU ms {_cpu(result)}"] if result.product.cpu_ms else [])])


def write_json(path: Path, results: Sequence[Result]) -> None:
    """Write the results, with the machine that they are of."""
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "results": [asdict(result) for result in results],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_figures(path: Path) -> dict[tuple[str, str], float]:
    """Return the figures of an earlier run: case and size -> the middle figure."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {(each["case"], each["size"]): each["product"]["figure"]["median"] for each in document["results"]}


def _figure(side: Side, unit: str) -> str:
    spread = side.figure
    digits = 2 if unit == "s" else 0 if spread.median >= 100 else 1
    ends = f" ({spread.min:,.{digits}f} to {spread.max:,.{digits}f})" if spread.min != spread.max else ""
    return f"{spread.median:,.{digits}f}{ends} {unit}"


def _ratio(ratio: Spread | None) -> str:
    return f"{ratio.median:.2f} ({ratio.min:.2f} to {ratio.max:.2f})" if ratio else ""


def _latencies(result: Result) -> str:
    own, other = result.product, result.reference
    if own.p50_ms is None or own.p99_ms is None:
        return ""
    beside = f" ({other.p50_ms:.1f}, {other.p99_ms:.1f})" if other and other.p50_ms and other.p99_ms else ""
    return f"{own.p50_ms:.1f}, {own.p99_ms:.1f}{beside}"


def _cpu(result: Result) -> str:
    if not result.product.cpu_ms:
        return ""
    parts = ", ".join(f"{name} {value:.2f}" for name, value in result.product.cpu_ms.items())
    beside = f" ({result.reference.cpu:.2f})" if result.reference and result.reference.cpu_ms else ""
    return f"{result.product.cpu:.2f}{beside}: {parts}"


def _change(result: Result, before: float | None) -> str:
    if not before:
        return ""
    now = result.product.figure.median
    better = before / now if is_time(result.unit) else now / before
    return f"{before:,.1f}: {better:.2f} times as good now"
