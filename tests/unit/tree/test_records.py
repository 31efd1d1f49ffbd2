"""Typed rows: only a module that runs queries sees the records of the driver."""

import ast
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[3]
_RUNNING: Final = frozenset({"fetch", "fetch_row", "fetch_composed"})

_OF_PACKAGES: Final = frozenset(
    {
        "service/api/entities/packages.py",
        "service/catalogue/packages.py",
        "service/catalogue/rows/package_orders.py",
        "service/downloads.py",
        "service/registries/pypi/routes.py",
        "service/web/prospects.py",
        "service/web/routes/packages.py",
        "service/web/views.py",
    }
)
"""Packages and their files stay records until they become JSON, since their listings must not become slower."""


def test_above_the_rows_nothing_sees_a_record() -> None:
    found = {
        str(file.relative_to(_ROOT))
        for room in ("schemas", "service", "workers")
        for file in sorted((_ROOT / room).rglob("*.py"))
        if not file.is_relative_to(_ROOT / "service" / "infra") and _sees_records(file.read_text(encoding="utf-8"))
    }

    assert found <= _OF_PACKAGES


def test_a_module_that_runs_queries_may_see_records_and_no_other() -> None:
    assert _sees_records("from service.infra.postgres.database import Connection, Record")
    assert not _sees_records("from service.infra.postgres.database import Record, fetch")
    assert not _sees_records("from service.infra.postgres.database import Connection, fetch")


def _sees_records(source: str) -> bool:
    imported = {
        name.name
        for statement in ast.walk(ast.parse(source))
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("service.infra.postgres")
        for name in statement.names
    }
    return "Record" in imported and not imported & _RUNNING
