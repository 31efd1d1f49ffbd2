"""`make bench`: how fast the main job is, on this machine, beside bare references measured in the same run.

Absolute figures depend on the machine and on what else it does; compare ratios.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.system.benchmarks.bulk import measure_bulk
from tests.system.benchmarks.singly import measure_singly
from tests.system.benchmarks.yard import open_bench

_WIDTH: Final = 130


async def main(*, bulk: int) -> None:
    """Run every measurement on a yard of its own and print a table."""
    table = Table("what", "figure", "beside", "ratio")
    with tempfile.TemporaryDirectory() as name:
        async with open_bench(Path(name)) as bench:
            await measure_singly(bench, table)
            await measure_bulk(bench, table, bulk)
    Console(width=_WIDTH).print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.system.benchmarks")
    parser.add_argument("--bulk", type=int, default=10_000, help="how many packages bulk_delete deletes")
    asyncio.run(main(bulk=parser.parse_args().bulk))
