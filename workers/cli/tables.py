"""Tables and lines that a person can read, whatever a name or reason holds, and however narrow a terminal is."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import click
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.filesize import decimal
from rich.style import Style
from rich.text import Text

_BLANK: Final = re.compile(r"\s+")
_GAP: Final = "  "
_LEAST_OF_TEXT: Final = 18
"""A column of free text is cut to no fewer columns of the terminal than this."""
_CUT: Final = "…"
_HEAD: Final = Style(bold=True)
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400
_DAYS: Final = 30
"""A moment further away than this is written as a day."""


class Size(int):
    """A number of bytes: in kB and MB for people, exact where figures are to be exact."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    rank: int = 0
    """Columns with a higher rank are left out first where a terminal is narrow; those with 0 never are."""
    is_number: bool = False
    is_text: bool = False
    """Free text, which may be cut at a terminal; ids, words and figures never are."""
    is_extra: bool = False
    """Only in the wide table."""


@dataclass(frozen=True, slots=True)
class TableStyle:
    """How values are written: for the eye, or exactly."""

    is_wide: bool = False
    width: int | None = None
    """How many columns the terminal has; None where there is none."""

    @classmethod
    def of_output(cls, *, is_wide: bool, err: bool = False) -> "TableStyle":
        """Return how values are written to standard output, or to standard error."""
        console = Console(stderr=err)
        return cls(is_wide, console.width if console.is_terminal else None)

    @property
    def is_tight(self) -> bool:
        """Whether rows have to keep to the width of a terminal."""
        return self.width is not None and not self.is_wide

    def cell(self, value: object) -> str:
        """Write a value: moments as distances at a terminal, sizes in kB and MB, both exactly where it is wide."""
        if isinstance(value, Size) and not self.is_wide:
            return decimal(value)
        if isinstance(value, datetime) and self.is_tight:
            return distance(value, now=datetime.now(UTC))
        return written(value)


def print_table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[object]],
    *,
    nothing: str,
    is_wide: bool = False,
    err: bool = False,
) -> None:
    """Print rows under these columns, or *nothing* where there is none; with *err*, to standard error.

    At a terminal a row keeps to one line: columns are left out, and free text is cut. A wide table has every column,
    and like one without a terminal, nothing cut.
    """
    style = TableStyle.of_output(is_wide=is_wide, err=err)
    cells = [[style.cell(value) for value in row] for row in rows]
    if not cells:
        click.echo(nothing, err=err)
        return
    if style.is_tight:
        # A column without any value is useless, and would take the place of one that has some.
        used = [at for at, column in enumerate(columns) if not column.rank or any(row[at] for row in cells)]
        columns, cells = [columns[at] for at in used], [[row[at] for at in used] for row in cells]
    widths = [max(map(cell_len, [column.name, *taken])) for column, *taken in zip(columns, *cells, strict=True)]
    visible = fitting(columns, widths, style)
    console = Console(stderr=err)
    head = [column.name for column in columns]
    for number, row in enumerate([head, *cells]):
        line = _GAP.join(_cell(row[at], width, columns[at]) for at, width in visible.items()).rstrip()
        # Not as markup: a name may resemble it.
        console.print(Text(line, _HEAD if number == 0 else ""), soft_wrap=True)


def print_fields(values: Mapping[str, object], *, is_wide: bool = False) -> None:
    """Print names and values, a line each; what is None as `-`."""
    style = TableStyle.of_output(is_wide=is_wide)
    width = max(map(len, values))
    for name, value in values.items():
        click.echo(f"{name:{width}}  {style.cell(value) or '-'}")


def written(value: object) -> str:
    """Write a value for people: None as nothing, a moment to the second, a number in groups of three digits.

    Text loses everything that would move a terminal's cursor or break a line.
    """
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, int):
        return f"{value:,}"
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in _BLANK.sub(" ", str(value)))


def counted(count: int, thing: str) -> str:
    """Write how many there are: 1 package, 2 packages."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def distance(moment: datetime, *, now: datetime) -> str:
    """Write how long ago a moment is, or how far ahead: `3 min ago`, `in 2 h`; the day, where that is far."""
    apart = abs(now - moment)
    if apart > timedelta(days=_DAYS):
        return f"{moment.astimezone(now.tzinfo):%Y-%m-%d}"
    seconds = int(apart.total_seconds())
    for unit, length in (("d", _DAY_S), ("h", _HOUR_S), ("min", _MINUTE_S), ("s", 1)):
        if seconds >= length:
            amount = f"{seconds // length} {unit}"
            return f"{amount} ago" if moment <= now else f"in {amount}"
    return "now"


def fitting(columns: Sequence[Column], widths: Sequence[int], style: TableStyle) -> dict[int, int]:
    """Return which columns are shown, and how wide: position -> width."""
    visible = {at: widths[at] for at, column in enumerate(columns) if style.is_wide or not column.is_extra}
    if style.is_wide or style.width is None:
        return visible
    least = {at: min(width, _LEAST_OF_TEXT) if columns[at].is_text else width for at, width in visible.items()}
    while _total(least) > style.width and any(columns[at].rank for at in least):
        del least[max(least, key=lambda at: columns[at].rank)]
    left = style.width - _total(least)
    for at in [at for at in least if columns[at].is_text]:
        more = max(0, min(left, widths[at] - least[at]))
        least[at] += more
        left -= more
    return least


def _total(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _cell(text: str, width: int, column: Column) -> str:
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1) + _CUT
    return " " * (width - cell_len(text)) + text if column.is_number else set_cell_size(text, width)
