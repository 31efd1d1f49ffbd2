"""Parts of lists: a page with its total, or what follows a position."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic

from typing_extensions import TypeVar

from service.infra.postgres.records import Record

COUNT_LIMIT: Final = 10_000
"""Totals are shown up to this many matches (GitLab's rule)."""

_Row = TypeVar("_Row")
_Row_co = TypeVar("_Row_co", covariant=True, default=Record)


@dataclass(frozen=True, slots=True)
class Slice(Generic[_Row_co]):
    """A part of a list: its rows, the matches there are (None: more than are counted), and whether more follow."""

    rows: Sequence[_Row_co]
    total: int | None
    has_more: bool

    @property
    def is_empty(self) -> bool:
        """Whether nothing is on it."""
        return not self.rows

    def read_with(self, read: "Callable[[_Row_co], _Row]") -> "Slice[_Row]":
        """Return the same part of the list with its rows read."""
        return Slice([read(row) for row in self.rows], self.total, self.has_more)


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
