"""A document that names tests names those that exist."""

import ast
import re

from tests.support.paths import ROOT

_DOCUMENT = ROOT / "docs/explanation/retention.md"


def test_each_complaint_about_rules_has_a_test() -> None:
    table = [line for line in _DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]
    named = {found[1] for line in table if (found := re.search(r"\| `(test_\w+)` \|$", line))}
    there = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
    }

    assert len(named) == len(table)
    assert named - there == set()
