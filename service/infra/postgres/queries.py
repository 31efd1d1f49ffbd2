"""The named queries of all `.sql` files, each with its parameters in the order of their places."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Final, TypeVar

import aiosql

from schemas import statuses
from service.infra.postgres.records import Dataclass

_SERVICE: Final = Path(__file__).parents[2]
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_NAME: Final = re.compile(r"^-- name: (\w+)", re.MULTILINE)
_WHOLE_ROW: Final = re.compile(r"\b(\w+)\((\w+)\.\*\)")
_PLACE: Final = re.compile(r"\$(\d+)")
_NAMED_SET: Final = re.compile(r"\bstatuses\((\w+)\)")
_SOURCES: Final = re.compile(r"\bsources_of\((\w+), (\w+)\)")

_Row = TypeVar("_Row", bound=Dataclass)


@dataclass(frozen=True, slots=True)
class NamedQuery:
    """A query as a `.sql` file has it: the text has $1, $2 and so on in the places of the *parameters*."""

    file: Path
    text: str
    parameters: tuple[str, ...]


_columns: Final[dict[str, str]] = {}


def whole_row(table: str) -> Callable[[type[_Row]], type[_Row]]:
    """Let `table(d.*)` in a query mean the fields of the decorated dataclass; d is the table's name or alias.

    A query that returns all columns fails in the middle of a transaction when a migration adds one. The server does not
    let a prepared statement change the columns of its result.
    """

    def note(row: type[_Row]) -> type[_Row]:
        _columns[table] = ", ".join(f"{{alias}}.{column.name}" for column in fields(row))
        return row

    return note


@cache
def named_query(name: str) -> NamedQuery:
    """Return the query of that name.

    Raises:
        KeyError: there is none, or nothing has said what the columns of its whole row are.
    """
    query = _read(_FILES[name])[name]
    return NamedQuery(query.file, _WHOLE_ROW.sub(_written_out, query.text), query.parameters)


def embedded(name: str, **fragments: str) -> str:
    """Return the text of the query of that name as a part of another one, with a fragment of SQL for each parameter."""
    query = named_query(name)
    if fragments.keys() != set(query.parameters):
        raise TypeError(f"{name} takes {query.parameters}")
    return _PLACE.sub(lambda found: fragments[query.parameters[int(found[1]) - 1]], query.text.rstrip().rstrip(";"))


def query_names() -> frozenset[str]:
    """Return the names of all queries."""
    return frozenset(_FILES)


def listed(values: Iterable[str]) -> str:
    """Return these statuses or states as SQL has them to the right of IN.

    They are literals, since the planner compares them with the conditions of partial indexes.
    """
    return f"({', '.join(repr(str(value)) for value in sorted(values))})"


def _with_statuses(text: str) -> str:
    """Write out the sets of statuses that a query names, and the sources of a move."""
    text = _NAMED_SET.sub(lambda found: listed(getattr(statuses, found[1])), text)
    return _SOURCES.sub(_sources, text)


def _sources(found: re.Match[str]) -> str:
    moves = getattr(statuses, found[1])
    return listed(statuses.sources_of(moves, next(status for status in moves if status == found[2])))


def _written_out(found: re.Match[str]) -> str:
    return _columns[found[1]].format(alias=found[2])


def _read_texts() -> tuple[dict[Path, str], dict[str, Path]]:
    """Return the texts of all files, and the file of each query.

    They are read at the start, so that a process keeps its own when a newer version is installed beside it.
    """
    texts: dict[Path, str] = {}
    found: dict[str, Path] = {}
    for file in sorted(_SERVICE.rglob("*.sql")):
        if _MIGRATIONS in file.parents:
            continue
        texts[file] = file.read_text(encoding="utf-8")
        for name in _NAME.findall(texts[file]):
            if name in found:
                raise ValueError(f"{file} and {found[name]} have both a query {name}")
            found[name] = file
    return texts, found


@cache
def _read(file: Path) -> dict[str, NamedQuery]:
    """Return the queries of a file. Most processes need few files, and reading all takes a tenth of their start."""
    found = aiosql.from_str(_TEXTS[file], "asyncpg", mandatory_parameters=False)
    # The library makes a function of each query. Its signature has the parameters in the order of their places.
    functions = {name: getattr(found, name) for name in found.available_queries if not name.endswith("_cursor")}
    return {name: NamedQuery(file, _with_statuses(made.sql), _parameters(made)) for name, made in functions.items()}


def _parameters(function: Callable[..., object]) -> tuple[str, ...]:
    return tuple(name for name in signature(function).parameters if name != "self")


_TEXTS, _FILES = _read_texts()
