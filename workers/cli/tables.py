"""Tables and lines that a person can read, whatever stands in a name or reason."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH_OF_FILES: Final = 200
"""Columns, where there is no terminal that says how many it has."""
_BLANK: Final = re.compile(r"\s+")


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Collection[str] = (), err: bool = False
) -> None:
    """Print rows under these columns, those of *numbers* to the right; with *err*, to standard error."""
    table = Table()
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    for row in rows:
        # Not as markup: a name may look like it.
        table.add_row(*(Text(written(value)) for value in row))
    console = Console(stderr=err)
    if not console.is_terminal:
        console = Console(stderr=err, width=_WIDTH_OF_FILES)
    console.print(table)


def print_fields(values: Mapping[str, object]) -> None:
    """Print names and values, a line each; what is None as `-`."""
    width = max(map(len, values))
    for name, value in values.items():
        click.echo(f"{name:{width}}  {written(value) or '-'}")


def written(value: object) -> str:
    """Write a value for people: None as nothing, a moment to the second, a number in groups of three digits.

    Of text, nothing is left that would move a terminal's cursor or break a line.
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
