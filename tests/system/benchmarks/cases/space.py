"""The disk that a package takes in the database: rows and indexes, by table."""

from collections.abc import AsyncGenerator
from typing import Final

import asyncpg

from tests.system.benchmarks.bench import Bench
from tests.system.benchmarks.figures import Result, Round, Side, load

SPACE: Final = ("space",)

_SIZES: Final = """
SELECT relname AS name, pg_table_size(oid)::float AS rows, pg_indexes_size(oid)::float AS indexes FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm')
   AND pg_total_relation_size(oid) > 0 AND relname LIKE 'package%'
 ORDER BY pg_total_relation_size(oid) DESC
"""
_LARGEST: Final = 5


async def measure_space(bench: Bench, names: set[str]) -> AsyncGenerator[Result]:
    """Measure the tables of packages."""
    connection = await asyncpg.connect(bench.servers.postgres.url(bench.database))
    try:
        tables = await connection.fetch(_SIZES)
        packages = await connection.fetchval("SELECT count(*) FROM package")
    finally:
        await connection.close()
    total = sum(table["rows"] + table["indexes"] for table in tables) / packages
    yield Result(
        case=SPACE[0],
        size=bench.size,
        packages=bench.packages,
        unit="bytes",
        product=Side.of("rows and indexes of one package with its files", [Round(total)]),
        details={
            f"{table['name']}, {part}, bytes a package": table[part] / packages
            for table in tables[:_LARGEST]
            for part in ("rows", "indexes")
        },
        load=(load(), load()),
    )
