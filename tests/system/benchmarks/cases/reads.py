"""Lists, single packages and files beside the bare program that sends the same bytes."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Final

from tests.system.benchmarks.bench import TOKEN, Bench, Running, bare_program, running
from tests.system.benchmarks.figures import Result
from tests.system.benchmarks.load import Loaded, Target, measured_in_turn
from tests.system.benchmarks.places import LISTED
from tests.system.benchmarks.processes import Group

_LIST: Final = f"/api/v4/projects/{LISTED}/packages"
_SAMPLE: Final = 500
"""How many packages are asked for in turn."""


@dataclass(frozen=True, slots=True)
class Read:
    """A request, and the route of the bare program that answers the same; `{id}` is each package of a sample."""

    name: str
    what: str
    path: str
    route: str
    reach: float
    is_public: bool = False

    @property
    def headers(self) -> Mapping[str, str]:
        """The request of the client."""
        return {} if self.is_public else TOKEN


READS: Final = (
    Read("list", "list of 20 of 10,000, token", _LIST, "list", 0.60),
    Read("list-public", "the same, anonymous", _LIST, "list-public", 0.70, is_public=True),
    Read("keyset", "keyset, first page", f"{_LIST}?pagination=keyset", "keyset", 0.40),
    Read("version", "/version with a token", "/api/v4/version", "version", 0.8),
    Read("package", "one package", f"{_LIST}/{{id}}", "package/{id}", 0.55),
    Read("files", "its files", f"{_LIST}/{{id}}/package_files", "files/{id}", 0.55),
)


async def measure_reads(bench: Bench, names: set[str]) -> AsyncGenerator[Result]:
    """Measure those of READS that are named."""
    reads = [read for read in READS if read.name in names]
    async with running(bench, "serve") as run:
        sample = [
            row["id"]
            for row in await run.query(
                "SELECT id FROM package WHERE project_id = $1 ORDER BY md5(id::text) LIMIT $2", LISTED, _SAMPLE
            )
        ]
        routes = {read.name: (read.path.format(id=sample[0]), read.headers) for read in reads}
        async with bare_program(run, routes) as (bare_url, bare):
            for read in reads:
                yield await _measure(bench, run, read, sample, (bare_url, bare))


async def _measure(bench: Bench, run: Running, read: Read, sample: list[int], bare: tuple[str, Group]) -> Result:
    product = Target(run.url, [read.path.format(id=each) for each in sample], read.headers)
    reference = Target(bare[0], [f"/{read.route.format(id=each)}" for each in sample], read.headers)
    return await measured_in_turn(
        bench,
        read.name,
        Loaded(read.what, product, run.groups()),
        Loaded("bare aiohttp and asyncpg", reference, [bare[1], *bench.servers.groups()]),
        reach=read.reach,
    )
