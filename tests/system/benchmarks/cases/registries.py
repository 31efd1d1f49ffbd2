"""A PyPI registry beside other ones and beside a bare program: a long index, an install of many, and publishing."""

import asyncio
import base64
import json
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

import aiohttp

from tests.support.distributions import distribution
from tests.system.benchmarks.bare_files import Recorded
from tests.system.benchmarks.bench import TOKEN, Bench, Running, child, listening, running
from tests.system.benchmarks.figures import Result, Round, Side, in_turn, load, ratios
from tests.system.benchmarks.load import Loaded, Target, measured_in_turn
from tests.system.benchmarks.peers import Registry, Wheel, open_devpi, open_pypiserver
from tests.system.benchmarks.places import DELETABLE
from tests.system.benchmarks.processes import Group
from tests.system.benchmarks.servers import copied
from workers.stack.state import LOOPBACK, free_port

REGISTRIES: Final = ("registries",)

_VERSIONS: Final = 1_000
_NEEDED: Final = 200
_AT_A_TIME: Final = 8
_PUBLISHED: Final = 100
_ACCEPT: Final = {
    "Accept": "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.1, text/html;q=0.01"
}
_INDEX: Final = "/long/"


async def measure_registries(bench: Bench, _: set[str]) -> AsyncGenerator[Result]:
    """Measure all of them in one run, since they share what is published."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(copied(bench.servers, bench.database))
        run = await stack.enter_async_context(running(bench, "serve", database=database))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="packyard-peers-")))
        kept = bench.servers.folder / "peers"
        wheels, ours = _wheels(), _ours(run)
        pypiserver = await stack.enter_async_context(open_pypiserver(kept, folder))
        for registry in (ours, pypiserver):
            await _publish(registry, wheels)
        peers = (pypiserver, await stack.enter_async_context(open_devpi(kept, folder, wheels)))
        bare = await stack.enter_async_context(_bare(run, ours))
        for result in [await _index(bench, ours, other) for other in (bare, *peers)]:
            yield result
        yield await _unchanged_index(bench, ours)
        for other in (bare, *peers):
            yield await _install(bench, ours, other)
        for other in peers:
            yield await _publishing(bench, ours, other)


def _ours(run: Running) -> Registry:
    address = f"{run.url}/api/v4/projects/{DELETABLE}/packages/pypi"
    return Registry("one API process", address, f"{address}/simple", run.groups(), TOKEN)


def _wheels() -> list[Wheel]:
    """Return all that is published first."""
    needs = "".join(f"Requires-Dist: needed-{number}\n" for number in range(_NEEDED))
    versions = [_wheel("long", f"1.{number}", extra="Requires-Python: >=3.8\n") for number in range(_VERSIONS)]
    needed = [_wheel(f"needed-{number}", "1.0") for number in range(_NEEDED)]
    return [*versions, *needed, _wheel("everything", "1.0", extra=needs)]


def _wheel(name: str, version: str, *, extra: str = "") -> Wheel:
    file_name = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    return Wheel(name, version, file_name, distribution(file_name, extra=extra, content=name.encode()))


async def _publish(registry: Registry, wheels: Sequence[Wheel]) -> None:
    """Publish the wheels, as many at a time as the registry takes."""
    waiting = iter(wheels)

    async def publish_some(session: aiohttp.ClientSession) -> None:
        for wheel in waiting:
            form = aiohttp.FormData({":action": "file_upload", "name": wheel.name, "version": wheel.version})
            form.add_field("content", wheel.content, filename=wheel.file_name)
            async with session.post(registry.upload_url, data=form, headers=registry.headers):
                pass

    async with aiohttp.ClientSession(raise_for_status=True) as session, asyncio.TaskGroup() as group:
        for _ in range(registry.writers):
            group.create_task(publish_some(session))


@asynccontextmanager
async def _bare(run: Running, ours: Registry) -> AsyncGenerator[Registry]:
    """Serve what the API answers to an installer, with addresses of the bare program in it."""
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    answers = await _recorded(ours, run.url, url)
    file = run.yard.folder / "bare_files.json"
    plan = {"port": port, "answers": {path: asdict(answer) for path, answer in answers.items()}}
    file.write_text(json.dumps(plan), encoding="utf-8")
    async with child(run.yard.folder, "bare files", "tests.system.benchmarks.bare_files", str(file)) as pid:
        await listening(port)
        yield Registry("bare aiohttp", "", ours.index_url.replace(run.url, url), [Group("bare", pid)])


async def _recorded(ours: Registry, base: str, url: str) -> dict[str, Recorded]:
    found: dict[str, Recorded] = {}
    names = ["long", "everything", *(f"needed-{number}" for number in range(_NEEDED))]
    async with aiohttp.ClientSession(headers=_ACCEPT, raise_for_status=True) as session:

        async def record(address: str) -> bytes:
            async with session.get(address) as answer:
                kept = ("Content-Type", "ETag", "Cache-Control", "Vary")
                headers = {name: answer.headers[name] for name in kept if name in answer.headers}
                body = (await answer.read()).replace(base.encode(), url.encode())
                found[address.removeprefix(base)] = Recorded(headers, base64.b64encode(body).decode())
                return body

        for name in names:
            page = json.loads(await record(f"{ours.index_url}/{name}/"))
            for file in page["files"] if name != "long" else ():
                await record(file["url"].replace(url, base))
                await record(file["url"].replace(url, base) + ".metadata")
    return found


async def _index(bench: Bench, ours: Registry, other: Registry) -> Result:
    return await measured_in_turn(
        bench,
        f"pypi-index beside {other.name}",
        Loaded(f"index of {_VERSIONS:,} versions", Target(ours.index_url, [_path(ours)], _ACCEPT), ours.groups),
        Loaded(other.name, Target(other.index_url, [_path(other)], _ACCEPT), other.groups),
        reach={"pypiserver": 3.0, "devpi": 1.0}.get(other.name),
        connections=_AT_A_TIME,
    )


def _path(registry: Registry) -> str:
    """Return the raw path of the long index."""
    return "/" + registry.index_url.split("/", 3)[3] + _INDEX


async def _unchanged_index(bench: Bench, ours: Registry) -> Result:
    async with (
        aiohttp.ClientSession(headers=_ACCEPT, raise_for_status=True) as session,
        session.get(ours.index_url + _INDEX) as answer,
    ):
        known = {**_ACCEPT, "If-None-Match": answer.headers["ETag"]}
    return await measured_in_turn(
        bench,
        "pypi-index-304",
        Loaded("the same, unchanged (304)", Target(ours.index_url, [_path(ours)], known), ours.groups),
        Loaded("the whole index", Target(ours.index_url, [_path(ours)], _ACCEPT), ours.groups),
        reach=None,
        connections=_AT_A_TIME,
    )


async def _install(bench: Bench, ours: Registry, other: Registry) -> Result:
    before = load()
    one, two = await in_turn(lambda _: _installed(ours), lambda _: _installed(other))
    return _timed(bench, f"pypi-install beside {other.name}", (ours, one), (other, two), before, "s")


async def _installed(registry: Registry) -> Round:
    with tempfile.TemporaryDirectory(prefix="packyard-install-") as target:
        uv = str(Path(sys.executable).with_name("uv"))
        options = ["--no-cache", "--no-config", "--quiet", "--target", target, "--index-url", registry.index_url]
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(uv, "pip", "install", *options, "everything")
        assert await process.wait() == 0
        took = time.perf_counter() - began
        assert len(list(Path(target).glob("needed_*.dist-info"))) == _NEEDED
    return Round(took)


async def _publishing(bench: Bench, ours: Registry, other: Registry) -> Result:
    before = load()
    one, two = await in_turn(
        lambda turn: _published(ours, other.name, turn), lambda turn: _published(other, other.name, turn)
    )
    return _timed(bench, f"pypi-publish beside {other.name}", (ours, one), (other, two), before, "files/s")


async def _published(registry: Registry, beside: str, turn: int) -> Round:
    wheels = [_wheel(f"beside-{beside}-{turn}-{number}", "1.0") for number in range(_PUBLISHED)]
    began = time.perf_counter()
    await _publish(registry, wheels)
    return Round(_PUBLISHED / (time.perf_counter() - began))


def _timed(
    bench: Bench,
    case: str,
    product: tuple[Registry, list[Round]],
    reference: tuple[Registry, list[Round]],
    before: float,
    unit: str,
) -> Result:
    return Result(
        case=case,
        size=bench.size,
        packages=bench.packages,
        unit=unit,
        product=Side.of(product[0].name, product[1]),
        reference=Side.of(reference[0].name, reference[1]),
        ratio=ratios(product[1], reference[1], unit),
        load=(before, load()),
    )
