"""Each call of a query names it, gives it its parameters, and knows the columns of its answer."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

import service.app  # noqa: F401 - all rows that a query may answer with in whole are known then
from service.infra.postgres.queries import named_query, query_names

_ROOT: Final = Path(__file__).parents[3]
_DATABASE: Final = "service.infra.postgres.database"
_WAYS: Final = frozenset({"fetch", "fetch_row", "execute", "fetch_composed", "stream_composed"})
_COMPOSED: Final = frozenset({"fetch_composed", "stream_composed"})
_EMBEDDING: Final = ("service.infra.postgres.queries", "embedded")
"""Takes a query as a part of another one."""

_ANSWERS_WITH_ALL: Final = re.compile(r"^(?:SELECT|RETURNING) (?:\w+\.)?\*", re.MULTILINE)
"""At the beginning of a line: what comes further to the right is a part of a query, and not its answer."""

_READING_ALONE: Final = frozenset({"list_packages_behind", "find_package", "browse_project", "browse_group"})
"""These run outside of transactions, where the driver repeats what a migration made invalid."""

_COPYING: Final = frozenset({"append_to_outbox", "note_damaged"})
"""These answer with nothing; they take from arrays."""

_LIMIT_WITHIN_IN: Final = re.compile(r"\bIN \((?=\s*SELECT)(?:[^()]|\([^()]*\))*\bLIMIT\b")

_SHARED_LOCKS: Final = frozenset({"lock_import"})
"""Two features take these locks, so that one waits for the other."""


@dataclass(frozen=True)
class _Call:
    place: str
    way: str
    queries: tuple[str, ...]
    """Empty where the name cannot be read off: such a query cannot be searched for."""
    values: frozenset[str | None]


def test_each_call_names_its_query() -> None:
    unnamed = [call.place for call in _CALLS if not call.queries]

    assert not unnamed, f"these calls assemble the name of their query: {unnamed}"


def test_each_call_gives_its_query_the_parameters_that_it_has() -> None:
    wrong = [
        f"{call.place}: {name} takes {sorted(named_query(name).parameters)}"
        for call in _CALLS
        for name in call.queries
        if call.way not in _COMPOSED and call.values != set(named_query(name).parameters)
    ]

    assert not wrong, "\n".join(wrong)


def test_no_limit_is_within_in() -> None:
    """The server may run the inner part of IN again for each row outside, so a limit within would hold for each."""
    wrong = [name for name in query_names() if _LIMIT_WITHIN_IN.search(named_query(name).text)]

    assert not wrong, f"write = ANY(ARRAY(SELECT … LIMIT …)) in these queries: {wrong}"


def test_each_query_is_called() -> None:
    called = {name for call in _CALLS if not call.place.startswith("tests/") for name in call.queries}

    assert query_names() == called


def test_each_file_of_queries_has_one_user_beside_it() -> None:
    users = defaultdict(set)
    for call in _CALLS:
        for name in set(call.queries) - _SHARED_LOCKS:
            if not call.place.startswith("tests/"):
                users[named_query(name).file].add(call.place.partition(":")[0])

    shared = {str(file.relative_to(_ROOT)): sorted(found) for file, found in users.items() if len(found) > 1}
    assert not shared, shared
    for file, found in users.items():
        assert all(file.parent in (_ROOT / user).parents for user in found)


def test_composed_queries_alone_have_places_for_parts() -> None:
    composed = {name for call in _CALLS if call.way in _COMPOSED for name in call.queries}

    assert composed == {name for name in query_names() if re.search(r"\{\w+\}", named_query(name).text)}
    assert not any(named_query(name).parameters for name in composed)


def test_the_parameters_of_a_query_are_in_the_order_of_their_places() -> None:
    for name in query_names():
        query = named_query(name)
        text = query.file.read_text(encoding="utf-8")
        text = re.split(rf"-- name: {name}\b", text)[1].partition("-- name: ")[0]
        first = {parameter: re.search(rf"(?<!:):{parameter}\b", text) for parameter in query.parameters}
        at = [found.start() for found in first.values() if found]

        assert len(at) == len(query.parameters), name
        assert at == sorted(at), name


def test_no_query_of_a_transaction_answers_with_whatever_columns_there_are() -> None:
    found = {name for name in query_names() if _ANSWERS_WITH_ALL.search(named_query(name).text)}

    assert found == _READING_ALONE | _COPYING


def test_a_query_answers_with_the_columns_of_the_row_that_its_table_has() -> None:
    assert "RETURNING deletion.id, deletion.project_id, " in named_query("end_as_restored").text


@pytest.mark.parametrize("source", ['fetch(c, f"find_{kind}")', "fetch(c, query)", "fetch(c, _QUERIES[kind])"])
def test_an_assembled_name_is_found(source: str) -> None:
    (call,) = _calls_in(f"from {_DATABASE} import fetch\n{source}", "module.py")

    assert call.queries == ()


def test_a_name_may_come_from_a_table_of_the_module() -> None:
    table = '_QUERIES: Final = {1: "one", 2: "two"}'

    (call,) = _calls_in(f"from {_DATABASE} import fetch\n{table}\nfetch(c, _QUERIES[kind], id=1, **more)", "module.py")

    assert call.queries == ("one", "two")
    assert call.values == {"id", None}


def _calls_in(source: str, place: str) -> Iterator[_Call]:
    module = ast.parse(source)
    ways = {
        alias.asname or alias.name: alias.name
        for node in module.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if (node.module == _DATABASE and alias.name in _WAYS) or (node.module, alias.name) == _EMBEDDING
    }
    tables = dict(_tables(module))
    for node in ast.walk(module) if ways else ():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ways:
            values = frozenset(keyword.arg for keyword in node.keywords)
            at = 0 if ways[node.func.id] == _EMBEDDING[1] else 1
            yield _Call(f"{place}:{node.lineno}", ways[node.func.id], _names(node.args[at], tables), values)


def _tables(module: ast.Module) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give the mappings of the module from something to names of queries."""
    for node in module.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            names = tuple(str(value.value) for value in node.value.values if isinstance(value, ast.Constant))
            if isinstance(target, ast.Name) and len(names) == len(node.value.values):
                yield target.id, names


def _names(node: ast.expr, tables: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    match node:
        case ast.Constant(value=str(name)):
            return (name,)
        case ast.IfExp(body=ast.Constant(value=str(one)), orelse=ast.Constant(value=str(other))):
            return (one, other)
        case ast.Subscript(value=ast.Name(id=table)):
            return tables.get(table, ())
        case _:
            return ()


_CALLS: Final = tuple(
    call
    for folder in ("service", "workers", "tests")
    for file in sorted((_ROOT / folder).rglob("*.py"))
    for call in _calls_in(file.read_text(encoding="utf-8"), str(file.relative_to(_ROOT)))
)
