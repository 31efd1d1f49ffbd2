"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; the cells of each row come in the order of *heads*."""
    lines = [heads, ["---"] * len(heads), *(list(map(cell, row)) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(text: str) -> str:
    """Return *text* on one line, with the bars that would end a cell escaped."""
    return " ".join(text.split()).replace("|", "\\|")
