"""The plan of rules of retention over a catalogue or one large project, beside one bare statement over the same."""

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from schemas.http.retention import PreviewRequest
from schemas.retention import RetentionRule
from service.context import Context, open_context
from service.infra.storage.opening import open_store
from service.retention.preview import preview_of
from service.retention.rules import INSTANCE, RulePlace, add_rule
from tests.system.benchmarks.bench import Bench
from tests.system.benchmarks.figures import Result, Round, Side, in_turn, load, ratios
from tests.system.benchmarks.places import DELETABLE
from tests.system.benchmarks.servers import copied

RETENTION: Final = ("retention", "retention-project")

_RULES: Final[Sequence[dict[str, Any]]] = (
    {"name": "releases of today", "kind": "keep", "release": "release", "younger_than": "1d"},
    {"name": "named", "kind": "keep", "name_patterns": ["a*", "name-1*"], "tags": ["*"]},
    {"name": "old", "kind": "delete", "younger_than": "30d", "keep_latest": 5},
    {"name": "idle", "kind": "delete", "package_types": ["npm", "pypi"], "downloaded_within": "90d"},
    {"name": "failed", "kind": "delete", "version_patterns": ["1.*"], "release": "prerelease", "statuses": ["error"]},
)
_BARE: Final = """
SELECT count(*) FROM (
    SELECT created_at, row_number() OVER (PARTITION BY project_id, package_type, name
                                          ORDER BY version_key DESC, created_at DESC, id DESC) AS place
      FROM package
     WHERE status IN ('default', 'error', 'deprecated') AND version IS NOT NULL
       AND ($1::bigint IS NULL OR project_id = $1)) ranked
 WHERE place > 5 AND created_at < now() - interval '30 days'
"""
_FILL: Final = """
INSERT INTO package (project_id, package_type, name, version, version_key, normal_name, version_order, status,
                     created_at, updated_at, arrived_at, last_downloaded_at, shown_files, shown_bytes)
SELECT $1, kind, name, version, semver_key(version), normal_name(kind, name),
       CASE kind WHEN 'pypi' THEN pypi_order(version) WHEN 'maven' THEN maven_order(version) END,
       CASE WHEN n % 50 = 0 THEN 'error' ELSE 'default' END, born, born, born,
       CASE WHEN n % 2 = 0 THEN now() - make_interval(days => n % 200) END, 1, 1000
  FROM (SELECT n, now() - make_interval(days => (n::bigint * 7919 % 400)::integer) AS born, kind,
               'name-' || n / 100 AS name,
               '1.' || n % 100 || '.0' || CASE WHEN n % 3 > 0 THEN ''
                                               WHEN kind = 'pypi' THEN 'rc1' ELSE '-rc.1' END AS version
          FROM (SELECT n, ('{npm,pypi,maven,generic,nuget}'::text[])[1 + n / 100 % 5] AS kind
                  FROM generate_series($2::integer, $3::integer) n) numbered) made
"""
_AROUND_IT: Final = (
    (
        "INSERT INTO package_tag (package_id, name) SELECT id, 'latest' FROM package"
        " WHERE project_id = $1 AND id % 100 = 0"
    ),
    (
        "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_delete)"
        " VALUES ($1, 'npm', 'name-7*', 40)"
    ),
)
_PART: Final = 50_000
_PATIENCE_S: Final = 600


async def measure_retention(bench: Bench, names: set[str]) -> AsyncGenerator[Result]:
    """Measure the totals of a preview of five rules: of the instance, and of a project with as many packages."""
    async with _opened(bench) as (context, bare):
        if "retention" in names:
            yield await _measured(bench, context, bare, INSTANCE)
    if "retention-project" in names:
        async with _opened(bench) as (context, bare):
            await _fill(bare, bench.packages)
            yield await _measured(bench, context, bare, RulePlace(project_id=DELETABLE))


@asynccontextmanager
async def _opened(bench: Bench) -> AsyncGenerator[tuple[Context, "asyncpg.Connection[asyncpg.Record]"]]:
    async with copied(bench.servers, bench.database) as database:
        settings = await bench.servers.settings(database, bench.folder / "objects", with_broker=False)
        await open_store(settings).adopt()
        async with open_context(settings) as context:
            bare = await asyncpg.connect(bench.servers.postgres.url(database))
            try:
                yield context, bare
            finally:
                await bare.close()


async def _fill(bare: "asyncpg.Connection[asyncpg.Record]", packages: int) -> None:
    """Fill a project with that many packages of five types, a hundred of each name; triggers would take minutes."""
    await bare.execute("SET session_replication_role = replica; SET synchronous_commit = off")
    for first in range(0, packages, _PART):
        last = min(first + _PART, packages) - 1
        await bare.execute(_FILL, DELETABLE, first, last, timeout=_PATIENCE_S)
    await bare.execute("RESET session_replication_role")
    for statement in _AROUND_IT:
        await bare.execute(statement, DELETABLE, timeout=_PATIENCE_S)
    await bare.execute("VACUUM (ANALYZE) package, package_tag, protection_rule", timeout=_PATIENCE_S)


async def _measured(
    bench: Bench, context: Context, bare: "asyncpg.Connection[asyncpg.Record]", place: RulePlace
) -> Result:
    async with context.database.transaction() as connection:
        for said in _RULES:
            await add_rule(connection, place, RetentionRule.model_validate(said))
    before = load()

    async def product(_number: int) -> Round:
        began = time.perf_counter()
        async with preview_of(context.database, place, PreviewRequest()):
            return Round(bench.packages / (time.perf_counter() - began))

    async def reference(_number: int) -> Round:
        began = time.perf_counter()
        await bare.fetchval(_BARE, place.project_id, timeout=_PATIENCE_S)
        return Round(bench.packages / (time.perf_counter() - began))

    ours, theirs = await in_turn(product, reference)
    return Result(
        case=RETENTION[0] if place.project_id is None else RETENTION[1],
        size=bench.size,
        packages=bench.packages,
        unit="packages/s",
        product=Side.of("totals of a preview of five rules", ours),
        reference=Side.of("one statement: old packages but the latest five", theirs),
        ratio=ratios(ours, theirs, "packages/s"),
        details={"totals, s": bench.packages / Side.of("", ours).figure.median, **await _whole_list(context, place)},
        load=(before, load()),
    )


async def _whole_list(context: Context, place: RulePlace) -> dict[str, float]:
    """Read a preview to the end of its list; return what that takes of time and memory, which has to stay flat."""
    began, before, most, listed = time.perf_counter(), _resident_mib(), 0.0, 0
    async with preview_of(context.database, place, PreviewRequest()) as found:
        async for _ in found.verdicts:
            listed += 1
            if listed % 10_000 == 0:
                most = max(most, _resident_mib())
    return {
        "listed packages": listed,
        "totals and list, s": time.perf_counter() - began,
        "memory that the list takes, MiB": max(0.0, most - before),
    }


def _resident_mib() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
