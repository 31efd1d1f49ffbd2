"""The table of the contract is complete: every section has rows, every row has its test, every test has a row."""

import ast
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.support.paths import ROOT

_TABLE: Final = Path(__file__).with_name("contract.md")
_TESTS: Final = ROOT / "tests/integration/contract"
_SECTIONS: Final = [
    *("1", "1.1", "1.1.1", "1.1.2", "1.2", "1.3", "1.4", "1.5"),
    *("2", "2.1", "2.2", "2.3", "2.4"),
    *("3.1", "3.2", "3.3", "3.4", "3.5", "3.6"),
    *("4", "5.1", "5.2", "5.3"),
    *("6.1", "6.2", "6.3", "6.4", "6.5"),
    *("7.1", "7.2", "10"),
]


class Row(NamedTuple):
    """One line of the contract."""

    section: str
    behaviour: str
    test: str


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    lines = [line for line in _TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    head, rule, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert head == ["section", "behaviour", "test"]
    assert set("".join(rule)) == {"-"}
    return [Row(*cells) for cells in body]


@pytest.fixture(scope="module")
def tests() -> set[str]:
    """Return every test of the contract, as the table names it."""
    return {
        f"{path.relative_to(ROOT)}::{node.name}"
        for path in sorted(_TESTS.glob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_section_has_rows_and_they_stand_in_its_order(rows: list[Row]) -> None:
    assert list(dict.fromkeys(row.section for row in rows)) == _SECTIONS


def test_every_row_names_a_test_that_exists(rows: list[Row], tests: set[str]) -> None:
    assert [row for row in rows if row.test not in tests] == []


def test_every_test_is_named_in_a_row(rows: list[Row], tests: set[str]) -> None:
    assert sorted(tests - {row.test for row in rows}) == []


def test_no_line_of_the_contract_stands_twice(rows: list[Row]) -> None:
    assert [line for line, count in Counter((row.section, row.behaviour) for row in rows).items() if count > 1] == []


def test_every_row_says_something(rows: list[Row]) -> None:
    assert all(all(row) for row in rows)
