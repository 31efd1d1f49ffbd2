"""Queries name statuses by sets, and take the sources of each move from the table of moves."""

import re
from collections.abc import Iterator
from typing import Final

import service.app  # noqa: F401 - all rows that a query may answer with in whole are known then
from schemas.statuses import (
    DELETION_MOVES,
    FILE_MOVES,
    PACKAGE_MOVES,
    DeletionState,
    FileStatus,
    PackageStatus,
    sources_of,
)
from service.infra.postgres.queries import named_query, query_names

_WORDS: Final = "|".join({*PackageStatus, *FileStatus, *DeletionState})
_LITERAL: Final = re.compile(rf"'({_WORDS})'")
_SETTING: Final = re.compile(
    rf"(?:SET|,)\s+(?:status|state) = (?:'(?:{_WORDS})'"
    rf"|CASE WHEN [^']+? THEN '(?:{_WORDS})' ELSE (?:'(?:{_WORDS})'|\w+\.\w+) END)",
)
_MOVES: Final = {"package": "PACKAGE_MOVES", "package_file": "FILE_MOVES", "deletion": "DELETION_MOVES"}
_BEING_DELETED: Final = {"package": "BEING_DELETED", "package_file": "FILES_BEING_DELETED"}
_GIVEN: Final = {"find_or_create_exact_package", "restore_packages"}
"""These set a status that comes from elsewhere; tests of the table hold that each of them is allowed."""


def _queries() -> Iterator[tuple[str, str]]:
    for file in {named_query(name).file for name in query_names()}:
        for text in file.read_text(encoding="utf-8").split("-- name: ")[1:]:
            name, _, body = text.partition("\n")
            yield name.rstrip("!"), re.sub(r"--.*", "", body)


def _targets(body: str) -> Iterator[tuple[str, str]]:
    """Give each (table, status) that an UPDATE of the query sets."""
    for update in re.split(r"\b(?=UPDATE (?:package|package_file|deletion) )", body)[1:]:
        table = update.split()[1]
        for setting in _SETTING.findall(update):
            for status in _LITERAL.findall(setting):
                yield table, status


def test_a_literal_status_is_only_the_new_value_in_an_update() -> None:
    found = {name: _LITERAL.findall(_SETTING.sub("", body)) for name, body in _queries()}

    assert {name: literals for name, literals in found.items() if literals} == {}


def test_each_update_takes_the_sources_of_its_move_from_the_table() -> None:
    moves = [(name, body, table, status) for name, body in _queries() for table, status in _targets(body)]

    for name, body, table, status in moves:
        allowed = {f"sources_of({_MOVES[table]}, {status})", f"statuses({_BEING_DELETED.get(table)})"}
        assert any(source in body for source in allowed), (name, table, status)
    assert {status for _, _, table, status in moves if table == "deletion"} == set().union(*DELETION_MOVES.values())
    assert {status for _, _, table, status in moves if table == "package_file"} == set().union(*FILE_MOVES.values())


def test_a_status_that_is_not_written_is_set_in_known_queries_only() -> None:
    setting = re.compile(r"\bSET (?:status|state) = (?!'|CASE)")

    assert {name for name, body in _queries() if setting.search(body)} == _GIVEN


def test_the_sets_and_sources_are_written_out() -> None:
    assert "d.state IN ('destroying', 'grace', 'queued', 'retrying')" in named_query("fail_deletions").text
    assert "p.status || '' IN ('pending_destruction', 'processing')" in named_query("show_in_error").text
    assert not [name for name in query_names() if re.search(r"statuses\(|sources_of\(", named_query(name).text)]
    assert sources_of(PACKAGE_MOVES, PackageStatus.ERROR) == ["pending_destruction", "processing"]
