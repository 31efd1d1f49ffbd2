"""Parts of lists: a page with its total, or what follows a position."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from service.infra.postgres.database import Record

COUNT_LIMIT: Final = 10_000
"""Totals are shown up to this many matches (GitLab's rule)."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a list: its rows, the matches there are (None: more than are counted), and whether more follow."""

    rows: list[Record]
    total: int | None
    has_more: bool


def slice_of(rows: Sequence[Record], *, size: int) -> Slice:
    """Return the part of a list that a query found: one row more than *size* where more follow, the total in each.

    A query that finds nothing gives one row without an id, so that there is a total.
    """
    found = [row for row in rows if row["id"] is not None]
    total = rows[0]["total"]
    return Slice(
        rows=found[:size],
        total=total if total is not None and total <= COUNT_LIMIT else None,
        has_more=len(found) > size,
    )
