"""`make bench`: measures each case beside a bare reference, by turns, in catalogues of several sizes.

Absolute figures depend on the machine and on what else it does; compare ratios, and the CPU of a request.
"""

import argparse
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from service import event_loop
from tests.system.benchmarks.bench import Bench
from tests.system.benchmarks.cases.families import CASES, FAMILIES
from tests.system.benchmarks.figures import Result
from tests.system.benchmarks.plots import draw_plots
from tests.system.benchmarks.report import in_short, read_figures, show, write_json
from tests.system.benchmarks.servers import Servers, make_catalogue, open_servers

SIZES: Final = MappingProxyType({"10k": 15_000, "1m": 1_000_000, "10m": 10_000_000})
"""Name of a size -> packages of the catalogue. Each has a project of 10,000, and never less beside it than 5,000."""

_INTERRUPTED: Final = 130


async def measure(folder: Path, sizes: Sequence[str], only: set[str], results: list[Result]) -> None:
    """Add the results to *results* as they come, of all cases or of those that *only* names."""
    async with open_servers(folder) as servers:
        for size in sizes:
            with tempfile.TemporaryDirectory(prefix="packyard-bench-") as name:
                is_first = size == sizes[0]
                await _measure_size(servers, size, Path(name), only, results, is_first=is_first)


async def _measure_size(
    servers: Servers, size: str, folder: Path, only: set[str], results: list[Result], *, is_first: bool
) -> None:
    bench = Bench(servers, size, SIZES[size], await make_catalogue(servers, SIZES[size]), folder)
    for family in FAMILIES:
        is_usual = not only and not family.is_named_only and (is_first or family.is_of_every_size)
        wanted = set(family.cases) if is_usual else only & set(family.cases)
        if wanted:
            async for result in family.measure(bench, wanted):
                print(f"{size} {in_short(result)}", flush=True)  # noqa: T201
                results.append(result)


def _interrupt(*_: object) -> None:
    # `make` and `timeout` each send the signal to all of their group. A second interrupt would break off the way out.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.raise_signal(signal.SIGINT)


def main() -> None:
    """Run what the command line asks for; print the table even if a case fails."""
    parser = argparse.ArgumentParser(prog="tests.system.benchmarks")
    parser.add_argument("--sizes", default="10k,1m", help="catalogues to measure in, with commas: 10k, 1m, 10m")
    parser.add_argument("--only", default="", help=f"cases, with commas: {', '.join(CASES)}")
    parser.add_argument("--against", type=Path, help="the JSON of an earlier run, to compare with")
    parser.add_argument("--json", type=Path, default=Path(".packyard-bench/latest.json"), help="where the results go")
    parser.add_argument("--plots", type=Path, help="a folder for plots of cost against size")
    parser.add_argument("--folder", type=Path, default=Path(".packyard-bench"), help="the servers and catalogues, kept")
    given = parser.parse_args()
    sizes, only = given.sizes.split(","), {name for name in given.only.split(",") if name}
    if unknown := {*sizes} - {*SIZES} | only - {*CASES}:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    earlier = read_figures(given.against) if given.against else {}
    # A run that is ended takes its servers with it, and shows what it has. A shell ignores SIGINT in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    results: list[Result] = []
    try:
        event_loop.run(measure(given.folder.resolve(), sizes, only, results))
    except KeyboardInterrupt:
        parser.exit(_INTERRUPTED, "interrupted: these are the cases that were measured\n")
    finally:
        # Also figures that were measured before something went wrong.
        show(results, earlier)
        write_json(given.json, results)
        if given.plots:
            draw_plots(given.plots, results)


if __name__ == "__main__":
    main()
