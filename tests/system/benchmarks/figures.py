"""Figures, and how they are written."""

from collections.abc import Sequence


def p95(found: Sequence[float]) -> float:
    """Return the value below which 95 of 100 are."""
    return sorted(found)[int(len(found) * 0.95)]


def ms(seconds: float) -> str:
    """Write seconds as milliseconds."""
    return f"{seconds * 1_000:.1f} ms"
