"""All families of cases, in the order in which they run."""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.system.benchmarks.bench import Bench
from tests.system.benchmarks.cases.api_process import API_PROCESS, measure_api_process
from tests.system.benchmarks.cases.bulk import BULK, measure_bulk
from tests.system.benchmarks.cases.events import EVENTS, measure_events
from tests.system.benchmarks.cases.groups import GROUPS, measure_groups
from tests.system.benchmarks.cases.guard import GUARD, measure_guard
from tests.system.benchmarks.cases.imports import IMPORTS, measure_imports
from tests.system.benchmarks.cases.pages import PAGES, measure_pages
from tests.system.benchmarks.cases.reads import READS, measure_reads
from tests.system.benchmarks.cases.registries import REGISTRIES, measure_registries
from tests.system.benchmarks.cases.retention import RETENTION, measure_retention
from tests.system.benchmarks.cases.searches import SEARCHES, measure_searches
from tests.system.benchmarks.cases.single import SINGLE, measure_single
from tests.system.benchmarks.cases.space import SPACE, measure_space
from tests.system.benchmarks.figures import Result


@dataclass(frozen=True, slots=True)
class Family:
    """Cases that are measured together, and the function that measures those of them that are named."""

    cases: Sequence[str]
    measure: Callable[[Bench, set[str]], AsyncGenerator[Result]]
    is_of_every_size: bool = True
    """Whether it is measured in catalogues of every size, or in the smallest one unless it is named."""
    is_named_only: bool = False
    """Whether it has to be named: all others take 20 minutes, and these would take more."""


FAMILIES: Final = (
    Family([read.name for read in READS], measure_reads),
    Family(SEARCHES, measure_searches),
    Family(GROUPS, measure_groups),
    Family(SPACE, measure_space),
    Family(RETENTION, measure_retention, is_of_every_size=False, is_named_only=True),
    Family(BULK, measure_bulk, is_of_every_size=False),
    Family(SINGLE, measure_single, is_of_every_size=False),
    Family(GUARD, measure_guard, is_of_every_size=False, is_named_only=True),
    Family(EVENTS, measure_events, is_of_every_size=False, is_named_only=True),
    Family(IMPORTS, measure_imports, is_of_every_size=False),
    Family(REGISTRIES, measure_registries, is_of_every_size=False, is_named_only=True),
    Family(PAGES, measure_pages, is_of_every_size=False, is_named_only=True),
    Family(API_PROCESS, measure_api_process, is_of_every_size=False),
)
CASES: Final = tuple(case for family in FAMILIES for case in family.cases)
