"""The plan in SQL, beside a model of plain data over random rules and packages."""

import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trial
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.retention import RetentionRule
from service.context import Context
from service.infra.postgres.composing import Values
from service.infra.postgres.queries import named_query
from service.retention import conditions
from service.retention.conditions import PlannedRule
from service.retention.planning import RetentionPlan
from service.retention.rules import RulePlace
from tests.support.retention import HERE, fill
from tests.support.retention_model import Ruling, Thing, verdicts

_EXAMPLES: Final = int(os.environ.get("RETENTION_EXAMPLES", "60"))  # noqa: TID251 - of the trial, not of the service
_NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
_PLACES: Final = {100: frozenset({10}), 102: frozenset({10, 11}), 200: frozenset({20})}
_VERSIONS: Final = ["1.0.0", "1.0.1", "1.10.0", "1.9.0", "2.0.0"]
_AGES: Final = [1, 10, 40, 100]
_SPANS: Final = [None, None, "5d", "30d", "90d"]
_PATTERNS: Final = ["*", "app", "a*", "*p", "A_*", "a%", "lib*x", "*\\*", "1.*", "*-rc*", "zzz"]
_maybe_patterns: Final = st.none() | st.lists(st.sampled_from(_PATTERNS), min_size=1, max_size=2)


@st.composite
def _things(draw: st.DrawFn) -> list[Thing]:
    count = draw(st.integers(1, 12))
    taken: set[tuple[object, ...]] = set()
    things = []
    for number in range(1, count + 1):
        project = draw(st.sampled_from(sorted(_PLACES)))
        kind = draw(st.sampled_from(["npm", "pypi", "generic"]))
        name = draw(st.sampled_from(["app", "App", "a_b", "a%b", "lib\\x"]))
        version = draw(st.sampled_from(_VERSIONS))
        if kind != "generic" and draw(st.booleans()):
            version += "-rc.1" if kind == "npm" else "rc1"
        same = (project, kind, name.lower() if kind == "pypi" else name, version)
        if same in taken or (kind == "pypi" and name != "app"):
            continue
        taken.add(same)
        age = draw(st.sampled_from(_AGES))
        things.append(
            Thing(
                id=number,
                project=project,
                groups=_PLACES[project],
                type=kind,
                name=name,
                version=version,
                status=draw(st.sampled_from(["default"] * 4 + ["error", "deprecated", "hidden", "processing"])),
                created=_NOW - timedelta(days=age),
                arrived=_NOW - timedelta(days=draw(st.sampled_from(_AGES))),
                downloaded=draw(st.none() | st.sampled_from(_AGES).map(lambda days: _NOW - timedelta(days=days))),
                tags=frozenset(draw(st.lists(st.sampled_from(["latest", "stable"]), max_size=2))),
                protected=name == "a_b",
            )
        )
    return things


@st.composite
def _rulings(draw: st.DrawFn) -> list[Ruling]:
    found = []
    for number in range(draw(st.integers(1, 4))):
        said: dict[str, Any] = {
            "name": str(number),
            "kind": draw(st.sampled_from(["delete", "delete", "keep"])),
            "package_types": draw(st.none() | st.lists(st.sampled_from(["npm", "pypi", "generic"]), min_size=1)),
            "name_patterns": draw(_maybe_patterns),
            "version_patterns": draw(_maybe_patterns),
            "release": draw(st.sampled_from([None, None, "release", "prerelease"])),
            "statuses": draw(st.none() | st.just(["default", "error"])),
            "younger_than": draw(st.sampled_from(_SPANS)),
            "downloaded_within": draw(st.sampled_from(_SPANS)),
            "keep_latest": draw(st.none() | st.integers(1, 3)),
            "tags": draw(st.none() | st.sampled_from([["*"], ["sta*"]])),
        }
        try:
            rule = RetentionRule.model_validate(said)
        except ValidationError:
            continue
        group, project = draw(st.sampled_from([(None, None), (10, None), (11, None), (None, 100), (None, 102)]))
        found.append(Ruling(rule, group, project))
    return found


async def test_the_plan_says_of_each_package_what_the_model_says(
    filled: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So near that a plan over a few packages has to examine more for some of them.
    monkeypatch.setattr(conditions, "_NEAR", 0)
    cases: list[tuple[list[Thing], list[Ruling]]] = []

    @trial(max_examples=_EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(_things(), _rulings())
    def collect(things: list[Thing], rulings: list[Ruling]) -> None:
        cases.append((things, rulings))

    collect()
    decided = 0
    for things, rulings in cases:
        found = await _planned(filled, things, rulings)
        assert found == verdicts(things, rulings, _NOW), (things, rulings)
        decided += len(set(found.values()))
    assert decided > len(cases) // 3, "most cases have to be about something"


async def test_a_plan_over_a_few_packages_examines_few_rows_of_their_name(
    filled: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As few beside 3,000 rows as the usual number is beside a million.
    monkeypatch.setattr(conditions, "_NEAR", 10)
    ids = await fill(filled, 3_000)
    rule = RetentionRule.model_validate({"name": "old", "kind": "delete", "younger_than": "30d", "keep_latest": 5})
    values = Values()
    plan = RetentionPlan(HERE, [PlannedRule(1, 1, HERE, rule)], [ids[0], ids[1_000]])
    text = named_query("retention_list").text.format_map({"verdicts": plan._verdicts(values)})
    async with filled.database.connection() as connection:
        await connection.execute("ANALYZE package")
        found = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", *values.all)
        verdicts = await plan.verdicts(connection)

    assert [one.verdict for one in verdicts] == ["deleted", "deleted"]
    assert 2 <= max(_rows_read(json.loads(found)[0]["Plan"])) < 100


def _rows_read(node: dict[str, Any]) -> list[float]:
    """Return how many rows of packages each node has read."""
    own = node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
    below = [each for part in node.get("Plans", ()) for each in _rows_read(part)]
    return [*below, own] if node.get("Relation Name") == "package" else below


async def _planned(context: Context, things: list[Thing], rulings: list[Ruling]) -> dict[int, str]:
    rules = [PlannedRule(0, 1, RulePlace(ruling.group, ruling.project), ruling.rule) for ruling in rulings]
    async with context.database.connection() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(_FILL, json.dumps([_row(thing) for thing in things]))
            await connection.execute(_TAGS, json.dumps([_row(thing) for thing in things]))
            await connection.execute(_PROTECT)
            found = await RetentionPlan(RulePlace(), rules).verdicts(connection)
            totals = await RetentionPlan(RulePlace(), rules).totals(connection)
            few = await RetentionPlan(RulePlace(), rules, [thing.id for thing in things[::2]]).verdicts(connection)
        finally:
            await transaction.rollback()
    assert sum(one.packages for one in totals) == len(found)
    wanted = {thing.id for thing in things[::2]}
    assert few == [one for one in found if one.package_id in wanted]
    return {one.package_id: one.verdict for one in found}


def _row(thing: Thing) -> dict[str, object]:
    shift = datetime.now(UTC) - _NOW
    return {
        "id": thing.id,
        "project_id": thing.project,
        "package_type": thing.type,
        "name": thing.name,
        "version": thing.version,
        "status": thing.status,
        "created_at": (thing.created + shift).isoformat(),
        "arrived_at": (thing.arrived + shift).isoformat(),
        "last_downloaded_at": (thing.downloaded + shift).isoformat() if thing.downloaded else None,
        "tags": sorted(thing.tags),
    }


_FILL: Final = (
    "INSERT INTO package (id, project_id, package_type, name, version, status, created_at, arrived_at,"
    " last_downloaded_at) SELECT id, project_id, package_type, name, version, status, created_at, arrived_at,"
    " last_downloaded_at FROM jsonb_to_recordset($1::jsonb) AS g(id bigint, project_id bigint, package_type text,"
    " name text, version text, status text, created_at timestamptz, arrived_at timestamptz,"
    " last_downloaded_at timestamptz)"
)
_TAGS: Final = (
    "INSERT INTO package_tag (package_id, name) SELECT id, unnest(tags) FROM"
    " jsonb_to_recordset($1::jsonb) AS g(id bigint, tags text[])"
)
_PROTECT: Final = (
    "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_delete)"
    " SELECT j, t, 'a_b', 40 FROM unnest(ARRAY[100, 102, 200]) j, unnest(ARRAY['npm', 'pypi', 'generic']) t"
)
