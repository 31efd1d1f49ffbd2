"""Lists of groups in every order, and pages far down, beside the plain list of one project."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from tests.system.benchmarks.bench import TOKEN, Bench, Running, running
from tests.system.benchmarks.figures import Result
from tests.system.benchmarks.load import Loaded, Target, measured_in_turn
from tests.system.benchmarks.places import FIFTY, LISTED, MAINTAINER, REPORTER, TREE

_LIST: Final = f"/api/v4/projects/{LISTED}/packages"
_FIFTY: Final = f"/api/v4/groups/{FIFTY}/packages"
_TREE: Final = f"/api/v4/groups/{TREE}/packages"
_KEYSET: Final = f"{_LIST}?pagination=keyset&per_page=4"
_DEEP: Final = "keyset-deep"
_STRIDE: Final = 100


@dataclass(frozen=True, slots=True)
class Listing:
    """A list of a group."""

    name: str
    what: str
    path: str
    token: str = MAINTAINER


LISTINGS: Final = (
    Listing("group", "group of 50 projects", _FIFTY),
    Listing("group-desc", "the same, newest first", f"{_FIFTY}?sort=desc"),
    Listing("group-name", "the same, by name", f"{_FIFTY}?order_by=name"),
    Listing("group-name-desc", "the same, by name, descending", f"{_FIFTY}?order_by=name&sort=desc"),
    Listing("group-far", "the same, page 400", f"{_FIFTY}?page=400"),
    Listing("tree", "group of 2,000 projects, member of all", _TREE),
    Listing("tree-half", "the same, member of half of the private ones", _TREE, REPORTER),
)
GROUPS: Final = (*(listing.name for listing in LISTINGS), _DEEP)


async def measure_groups(bench: Bench, names: set[str]) -> AsyncGenerator[Result]:
    """Measure those of GROUPS that are named."""
    async with running(bench, "serve") as run:
        plain = Loaded("plain list", Target(run.url, [_LIST], TOKEN), run.groups())
        for listing in LISTINGS:
            if listing.name in names:
                target = Target(run.url, [listing.path], {"PRIVATE-TOKEN": listing.token})
                product = Loaded(listing.what, target, run.groups())
                yield await measured_in_turn(bench, listing.name, product, plain, reach=0.6)
        if _DEEP in names:
            yield await _measure_deep(bench, run)


async def _measure_deep(bench: Bench, run: Running) -> Result:
    first = Loaded("the first page", Target(run.url, [_KEYSET], TOKEN), run.groups())
    deep = Target(run.url, [f"{_KEYSET}&cursor={await _last_cursor(run)}"], TOKEN)
    product = Loaded("keyset, 4 a page, page 2,500", deep, run.groups())
    return await measured_in_turn(bench, _DEEP, product, first, reach=1 / 1.1)


async def _last_cursor(run: Running) -> str:
    """Follow the links to the page before the last four packages, mostly in long strides."""
    cursor = None
    async with run.client() as client:
        for per_page in [_STRIDE] * 99 + [4] * 24:
            query = {"pagination": "keyset", "per_page": str(per_page), **({"cursor": cursor} if cursor else {})}
            async with client.get(_LIST, params=query) as answer:
                cursor = answer.links["next"]["url"].query["cursor"]  # type: ignore[union-attr]  # a URL by its name
    assert cursor is not None
    return cursor
