"""Pages under load, with a session and without one, and many pages that follow deletions."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import aiohttp

from tests.system.benchmarks.bench import TOKEN, Bench, Running, running
from tests.system.benchmarks.deletable import add_deletable
from tests.system.benchmarks.figures import Result, Round, Side, load
from tests.system.benchmarks.load import Loaded, Target, measured_in_turn
from tests.system.benchmarks.places import DELETABLE, DELETABLE_PATH, LISTED_PATH, MAINTAINER
from tests.system.benchmarks.processes import cpu_by_group, memory_of
from tests.system.benchmarks.servers import copied

_LIVE: Final = "pages-live"
_PAGES: Final = MappingProxyType(
    {
        "pages-home": "home",
        "pages-project": "a project of 10,000 packages",
        "pages-package": "a package with 10,000 versions",
    }
)
PAGES: Final = ("pages", *_PAGES, _LIVE)
"""`pages` is all of them."""

_CLIENTS: Final = 8
_HTML: Final = MappingProxyType({"Accept": "text/html", "Sec-Fetch-Site": "same-origin"})
_FORM_TOKEN: Final = re.compile(r'name="form_token" value="([^"]+)"')
_VERSIONS: Final = """
INSERT INTO package (project_id, package_type, name, version)
SELECT $1, 'npm', 'many', '1.0.' || n FROM generate_series(1, 10000) n RETURNING id
"""
_STREAMS: Final = 500
_FOLLOWED: Final = 50
_WATCHED_S: Final = 15
_SETTLE_S: Final = 3


@dataclass(frozen=True, slots=True)
class LiveCost:
    """The cost of open pages in one API process."""

    mib: float
    cpu: float
    """Part of a core."""


async def measure_pages(bench: Bench, names: set[str]) -> AsyncGenerator[Result]:
    """Measure those of PAGES that are named, in a copy of the catalogue that has a package of 10,000 versions."""
    async with copied(bench.servers, bench.database) as database:
        async with running(bench, "serve", database=database) as run:
            package = (await run.query(_VERSIONS, DELETABLE))[-1]["id"]
            await run.query("VACUUM (ANALYZE) package")
            paths = ("/", f"/{LISTED_PATH}", f"/{DELETABLE_PATH}/-/packages/{package}")
            cookie = await _sign_in(run.url)
            for (name, what), path in zip(_PAGES.items(), paths, strict=True):
                if names & {name, "pages"}:
                    yield await _measure(bench, run, name, what, path, cookie)
        if names & {_LIVE, "pages"}:
            async with running(bench, "serve", database=database) as run:
                yield await _measure_live(bench, run)


async def _measure(bench: Bench, run: Running, name: str, what: str, path: str, cookie: str) -> Result:
    signed_in = Target(run.url, [path], {**_HTML, "Cookie": cookie})
    return await measured_in_turn(
        bench,
        name,
        Loaded(f"{what}, {_CLIENTS} clients, signed in", signed_in, run.groups()),
        Loaded("the same, anonymous", Target(run.url, [path], _HTML), run.groups()),
        reach=None,
        connections=_CLIENTS,
    )


async def _sign_in(url: str) -> str:
    """Return the cookie of a maintainer's session."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(url, headers=_HTML, cookie_jar=jar, raise_for_status=True) as session:
        async with session.get("/-/sign_in") as answer:
            found = _FORM_TOKEN.search(await answer.text())
        assert found is not None
        form = {"form_token": found[1], "token": MAINTAINER}
        async with session.post("/-/sign_in", data=form, allow_redirects=False) as answer:
            assert answer.status == 303
    return "; ".join(f"{cookie.key}={cookie.value}" for cookie in jar)


async def _measure_live(bench: Bench, run: Running) -> Result:
    """Measure what open pages cost: while nothing changes, and while each of them changes every second."""
    before = load()
    deletions = await _delete_some(run)
    at_first = memory_of(run.yard.pid("serve"))
    async with AsyncExitStack() as stack:
        # A connection more than usual for each of them.
        connector = aiohttp.TCPConnector(limit=0)
        client = await stack.enter_async_context(
            aiohttp.ClientSession(run.url, connector=connector, raise_for_status=True, timeout=aiohttp.ClientTimeout())
        )
        readers = [asyncio.create_task(_read(client, deletions[each % _FOLLOWED])) for each in range(_STREAMS)]
        stack.push_async_callback(_end, readers)
        await asyncio.sleep(_SETTLE_S)
        idle = await _cost(run, at_first)
        changing = asyncio.create_task(_change_all(run))
        stack.push_async_callback(_end, [changing])
        await asyncio.sleep(_SETTLE_S)
        busy = await _cost(run, at_first)
        assert not any(reader.done() for reader in readers), "a stream ended"
    return Result(
        case=_LIVE,
        size=bench.size,
        packages=bench.packages,
        unit="MiB",
        product=Side.of(f"memory of {_STREAMS} open pages of {_FOLLOWED} deletions", [Round(idle.mib)]),
        details={
            "CPU of the API while nothing changes, % of a core": idle.cpu * 100,
            "while each page changes every second, % of a core": busy.cpu * 100,
            "memory then, MiB": busy.mib,
        },
        load=(before, load()),
    )


async def _delete_some(run: Running) -> list[str]:
    """Delete packages; return the streams of the pages of their deletions, which wait for a worker."""
    ids = await add_deletable(run.database_url, run.objects, _FOLLOWED, prefix="live")
    found: list[str] = []
    async with aiohttp.ClientSession(run.url, headers=TOKEN, raise_for_status=True) as client:
        for each in ids:
            async with client.delete(f"/api/v4/projects/{DELETABLE}/packages/{each}") as answer:
                found.append(f"/{DELETABLE_PATH}/-/deletions/{answer.headers['Deletion-Id']}/live")
    return found


async def _read(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path, headers={"Accept": "text/event-stream"}) as answer:
        while await answer.content.readany():
            pass


async def _change_all(run: Running) -> None:
    while True:
        await run.query("UPDATE deletion SET attempts = attempts % 5 + 1 WHERE project_id = $1", DELETABLE)
        await asyncio.sleep(1)


async def _cost(run: Running, at_first: float) -> LiveCost:
    groups = [group for group in run.groups() if group.name == "serve"]
    before = sum(cpu_by_group(groups).values())
    await asyncio.sleep(_WATCHED_S)
    used = sum(cpu_by_group(groups).values()) - before
    return LiveCost(memory_of(run.yard.pid("serve")) - at_first, used / _WATCHED_S)


async def _end(tasks: Sequence["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
