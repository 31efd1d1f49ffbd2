"""Counting what projects hold from plain rows, with none of the product's statements."""

from collections import Counter
from typing import Final, TypeAlias

from service.context import Context
from tests.support.catalogue import query

_SHOWN: Final = {"default", "error", "deprecated"}
_SHOWN_FILES: Final = {"default", "error"}

Counts: TypeAlias = dict[tuple[int, str], tuple[int, int, int, int]]
"""(project, type) -> packages, files, logical bytes, physical bytes; without those that have nothing."""


async def recounted(context: Context) -> Counts:
    """Count every package and every file by itself."""
    packages = await query(context, "SELECT id, project_id, package_type, status FROM package")
    files = await query(context, "SELECT package_id, status, size FROM package_file")
    figures: dict[tuple[int, str], Counter[str]] = {}
    of_package = {
        row["id"]: figures.setdefault((row["project_id"], row["package_type"]), Counter()) for row in packages
    }
    shown = {row["id"] for row in packages if row["status"] in _SHOWN}
    for row in packages:
        of_package[row["id"]]["packages"] += row["id"] in shown
    for row in files:
        counts = of_package[row["package_id"]]
        counts["physical"] += row["size"]
        if row["package_id"] in shown and row["status"] in _SHOWN_FILES:
            counts["files"] += 1
            counts["logical"] += row["size"]
    return _told({key: (c["packages"], c["files"], c["logical"], c["physical"]) for key, c in figures.items()})


async def kept(context: Context) -> Counts:
    """Return the figures as they are kept, with the changes that are still to be added."""
    sums: dict[tuple[int, str], list[int]] = {}
    for table in ("package_statistic", "package_statistic_change"):
        for row in await query(context, f"SELECT * FROM {table}"):  # noqa: S608 - one of these two
            counts = sums.setdefault((row["project_id"], row["package_type"]), [0] * 4)
            for place, name in enumerate(("packages", "files", "logical_bytes", "physical_bytes")):
                counts[place] += row[name]
    return _told({key: (c[0], c[1], c[2], c[3]) for key, c in sums.items()})


def _told(counts: Counts) -> Counts:
    return {key: figures for key, figures in counts.items() if any(figures)}
