"""Plans of lists: what a list reads is bounded, and stays so however often it was asked for on a connection."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from pydantic_core import from_json

from schemas.http.package_parameters import GroupPackageListing, ProjectPackageListing
from service.access.group_lists import ListedProjects
from service.access.rows import visit_query
from service.catalogue import json_reading
from service.context import Context
from service.infra.postgres.expensive_reads import Cost, Reads
from tests.support.catalogue import query

_TIMES: Final = 10
_PROJECTS: Final = 150
_OF_PROJECT: Final[list[tuple[dict[str, str], int]]] = [
    ({}, 400),
    ({"order_by": "name", "sort": "desc"}, 400),
    ({"order_by": "semver"}, 400),
    ({"pagination": "keyset", "order_by": "version"}, 400),
    ({"package_type": "npm"}, 600),
    ({"status": "hidden"}, 100),
    ({"package_version": "1.8.8"}, 200),
    ({"package_name": "part-1679091c"}, 600),
    ({"package_name": "b"}, 40_000),
    ({"package_name": "zzz"}, 400),
]
"""Parameters of a list of one project, and the buffers of 8 KiB that it may read."""
_OF_GROUP: Final[list[tuple[dict[str, str], int]]] = [
    ({}, 3_500),
    ({"order_by": "name", "sort": "desc"}, 3_500),
    ({"order_by": "project_path"}, 3_500),
    ({"page": "130"}, 7_000),
    ({"page": "130", "order_by": "name", "sort": "desc"}, 7_000),
    ({"package_name": "part-1679091c"}, 2_000),
    ({"package_name": "b"}, 7_000),
]
"""The same of 150 projects."""

_FILL: Final = """
WITH places AS (
    INSERT INTO project (id, group_id, path, name, visibility)
    SELECT 5000 + n, 10, 'acme/p' || n, 'P', 'public' FROM generate_series(1, 150) n
    RETURNING id
)
SELECT count(*) FROM places
"""
_PACKAGES: Final = """
INSERT INTO package (project_id, package_type, name, version, created_at)
SELECT CASE WHEN n % 2 = 0 THEN 100 ELSE 5001 + n % 150 END, CASE WHEN n % 3 = 0 THEN 'npm' ELSE 'maven' END,
       'part-' || md5((n % 6000)::text), '1.' || n % 40 || '.' || n, '2026-01-01'::timestamptz + n * interval '1 second'
  FROM generate_series($1::integer, $1 + 3999) n
"""

pytestmark = pytest.mark.usefixtures("database_of_its_own")


class _Recorder:
    """Takes the place of a connection, and keeps what would be run on it."""

    text = ""
    values: tuple[Any, ...] = ()

    async def fetch(self, text: str, *values: Any, **_limit: float | None) -> list[dict[str, Any]]:
        self.text, self.values = text, values
        return [{"size": 0, "body": None, "total": None, "last_id": None, "last_value": None}]


def _literal(value: object) -> str:
    match value:
        case None | bool():
            return {None: "NULL", True: "true", False: "false"}[value]
        case bytes():
            return f"'\\x{value.hex()}'"
        case list() | range():
            return "'{" + ",".join(_literal(one).strip("'") for one in value) + "}'"
        case _:
            return "'" + str(value).replace("'", "''") + "'"


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


@pytest.fixture
async def large(filled: Context) -> Context:
    """A yard of 40,000 packages: half of them in one project, the others in 150 of a group."""
    await query(filled, _FILL)
    for first in range(1, 40_000, 4_000):
        await query(filled, _PACKAGES, first)
    # As autovacuum does; indexes alone can answer then.
    async with filled.database.connection() as connection:
        await connection.execute("VACUUM ANALYZE package", timeout=60)
        await connection.execute("ANALYZE package_name")
    return filled


async def _run(context: Context, recorder: _Recorder, cost: Cost) -> list[tuple[int, set[str]]]:
    """Return for each of ten executions on one connection the buffers that it read, and the tables that it scanned."""
    found = []
    async with Reads(context.database, timedelta(seconds=30)).connection(cost) as connection:
        await connection.execute(f"PREPARE listing AS {recorder.text}")
        for _ in range(_TIMES):
            arguments = ", ".join(map(_literal, recorder.values))
            shown = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE listing ({arguments})")
            (plan,) = from_json(shown) if isinstance(shown, str) else shown
            top = plan["Plan"]
            scanned = {node["Relation Name"] for node in _nodes(top) if _is_scan(node)}
            found.append((top["Shared Hit Blocks"] + top["Shared Read Blocks"], scanned))
        planned = await connection.fetchval("SELECT custom_plans FROM pg_prepared_statements WHERE name = 'listing'")
        # The server tries a plan for the values five times, and then keeps the one for all values.
        assert planned == {Cost.PLAIN: 5, Cost.LONG: 0}.get(cost, _TIMES), recorder.text
        await connection.execute("DEALLOCATE listing")
    return found


async def test_a_list_has_a_bounded_plan_however_often_it_is_asked_for(large: Context) -> None:
    projects = ListedProjects(",".join(map(str, range(5001, 5001 + _PROJECTS))), _PROJECTS, "")
    wrong: dict[str, object] = {}

    for words, most in _OF_PROJECT:
        recorder: Any = _Recorder()
        listing = ProjectPackageListing.model_validate(words)
        visit = visit_query("100", b"\x00" * 32)
        assert visit is not None
        await json_reading.list_in_project(recorder, visit, listing, base="http://yard")
        wrong |= _beyond(most, {"of": "project", **words}, await _run(large, recorder, json_reading.cost_of(listing)))
    for words, most in _OF_GROUP:
        recorder = _Recorder()
        of_group = GroupPackageListing.model_validate(words)
        await json_reading.list_in_projects(recorder, projects, of_group, base="http://yard")
        wrong |= _beyond(
            most, {"of": "group", **words}, await _run(large, recorder, json_reading.cost_in(projects, of_group))
        )

    assert not wrong


def _is_scan(node: dict[str, Any]) -> bool:
    # A part of a plan that is there for other values is not run.
    return bool(node["Node Type"] == "Seq Scan" and node["Actual Loops"] > 0)


def _beyond(most: int, words: dict[str, str], found: list[tuple[int, set[str]]]) -> dict[str, object]:
    is_good = all(buffers <= most and "package" not in scanned for buffers, scanned in found)
    return {} if is_good else {str(words): found}
