"""Parts of queries that are composed: places for values, orders, and conditions of a search by words."""

from collections.abc import Sequence

from schemas.searching import Sort, search_terms


class Values:
    """The values of a composed query; each is a parameter, and the text has a placeholder for it."""

    def __init__(self) -> None:
        """Begin without any."""
        self.all: list[object] = []

    def place(self, value: object, kind: str) -> str:
        """Take a value of PostgreSQL's type *kind* and return its placeholder."""
        self.all.append(value)
        return f"${len(self.all)}::{kind}"


def literal(number: int) -> str:
    """Return a number as a part of the text.

    The plan for all values takes a LIMIT that is a parameter for a tenth of the table. Its cost then seems so high that
    the server plans the statement again for each execution. That costs more than a page of a list.
    """
    return f"{number:d}"


def first_or_later(values: Values, offset: int) -> str:
    """Return the offset of a page: that of the first page is a part of the text, all others are parameters."""
    return values.place(offset, "bigint") if offset else literal(0)


def ordering(expression: str, identity: str, sort: Sort) -> str:
    """Return an ORDER BY in which the identity decides between equals."""
    return f"{expression} {direction(sort)}, {identity} {direction(sort)}"


def direction(sort: Sort) -> str:
    """Return the direction as SQL has it."""
    return "DESC" if sort is Sort.DESC else "ASC"


def containing(values: Values, text: str, columns: Sequence[str]) -> list[str]:
    """Return the condition that all terms of *text* are part of one of the columns; none for a text without terms."""
    terms = [values.place(f"%{_escaped(term)}%", "text") for term in search_terms(text)]
    if not terms:
        return []
    ways = (" AND ".join(f"{column} ILIKE {term}" for term in terms) for column in columns)
    return [f"({' OR '.join(f'({way})' for way in ways)})"]


def _escaped(term: str) -> str:
    return term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
