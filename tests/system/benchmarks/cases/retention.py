"""The plan of rules of retention over a whole catalogue, beside one bare statement that only finds what is old."""

import time
from collections.abc import AsyncGenerator
from typing import Final

import asyncpg

from schemas.http.retention import PreviewRequest
from schemas.retention import RetentionRule
from service.context import open_context
from service.infra.storage.opening import open_store
from service.retention.preview import preview_of
from service.retention.rules import INSTANCE, add_rule
from tests.system.benchmarks.bench import Bench
from tests.system.benchmarks.figures import Result, Round, Side, in_turn, load, ratios
from tests.system.benchmarks.servers import copied

RETENTION: Final = ("retention",)

_RULES: Final = (
    {"name": "releases of today", "kind": "keep", "release": "release", "younger_than": "1d"},
    {"name": "named", "kind": "keep", "name_patterns": ["a*"], "tags": ["*"]},
    {"name": "old", "kind": "delete", "younger_than": "30d", "keep_latest": 5},
    {"name": "idle", "kind": "delete", "package_types": ["npm", "pypi"], "downloaded_within": "90d"},
)
_BARE: Final = """
SELECT count(*) FROM (
    SELECT created_at, row_number() OVER (PARTITION BY project_id, package_type, name
                                          ORDER BY version_key DESC, created_at DESC, id DESC) AS place
      FROM package WHERE status IN ('default', 'error', 'deprecated') AND version IS NOT NULL) ranked
 WHERE place > 5 AND created_at < now() - interval '30 days'
"""
_PATIENCE_S: Final = 600


async def measure_retention(bench: Bench, names: set[str]) -> AsyncGenerator[Result]:
    """Measure the totals of a preview of four rules of the instance."""
    async with copied(bench.servers, bench.database) as database:
        settings = await bench.servers.settings(database, bench.folder / "objects", with_broker=False)
        await open_store(settings).adopt()
        async with open_context(settings) as context:
            async with context.database.transaction() as connection:
                for said in _RULES:
                    await add_rule(connection, INSTANCE, RetentionRule.model_validate(said))
            bare = await asyncpg.connect(bench.servers.postgres.url(database))
            before = load()

            async def product(_number: int) -> Round:
                began = time.perf_counter()
                async with preview_of(context.database, INSTANCE, PreviewRequest()):
                    return Round(bench.packages / (time.perf_counter() - began))

            async def reference(_number: int) -> Round:
                began = time.perf_counter()
                await bare.fetchval(_BARE, timeout=_PATIENCE_S)
                return Round(bench.packages / (time.perf_counter() - began))

            ours, theirs = await in_turn(product, reference)
            await bare.close()
    yield Result(
        case=RETENTION[0],
        size=bench.size,
        packages=bench.packages,
        unit="packages/s",
        product=Side.of("totals of a preview of four rules", ours),
        reference=Side.of("one statement: old packages but the latest five", theirs),
        ratio=ratios(ours, theirs, "packages/s"),
        load=(before, load()),
    )
