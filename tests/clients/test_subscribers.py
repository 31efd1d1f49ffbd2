"""The programs of `examples/`, each with the client of its language, against a running yard."""

import re
import shutil
import subprocess
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from schemas.messages.topology import EVENTS_LOG
from tests.support.demo import demo_yard
from tests.support.paths import ROOT
from tests.support.servers import Servers, own_database
from tests.support.yard import Yard
from workers.stack.processes import inherited

_EXAMPLES: Final = ROOT / "examples"
_PYTHON: Final = ROOT / ".clients" / "python" / "bin" / "python"
_OWN_PYTHON: Final = ROOT / ".venv" / "bin" / "python"
_MODULES: Final = ROOT / ".clients" / "node" / "node_modules"
_TOKEN: Final = "demo-maintainer-token"
_PROJECT: Final = "projects/orchard%2Fapples"
_PATIENCE_S: Final = 120
_TYPES: Final = ("package.published", "package_file.published", "package.deletion_requested", "package.destroyed")
_AMQP: Final = ("inbox", "blocking", "node", "go")


@dataclass(frozen=True, slots=True)
class News:
    """A yard in which something happened: its events, and an address of the broker for each example."""

    yard: Yard
    events: Sequence[Mapping[str, Any]]
    addresses: Mapping[str, str]
    database_url: str

    @property
    def lines(self) -> list[str]:
        """The lines that an example prints of them."""
        return [f"{event['id']} {event['type']} {event['subject']}" for event in self.events]

    @property
    def feed(self) -> str:
        """The feed of their project."""
        return f"{self.yard.base_url}/api/v4/{_PROJECT}/package_events"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def news(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[News]:
    prefix = f"t{uuid4().hex[:8]}"
    async with demo_yard(servers, tmp_path_factory.mktemp("yard")) as yard, own_database(servers) as database_url:
        addresses = {}
        for name in _AMQP:
            said = await yard.run("subscribers", "add", name, "--all", "--prefix", prefix)
            (addresses[name],) = re.findall(r"amqp://\S+", said)
        events = await _let_happen(yard)
        yield News(yard, events, addresses, database_url)
        for name in _AMQP:
            await yard.run("subscribers", "remove", name, "--yes", "--prefix", prefix)


async def _let_happen(yard: Yard) -> list[dict[str, Any]]:
    """Publish a package of two files and delete it; return the events."""
    async with aiohttp.ClientSession(headers={"PRIVATE-TOKEN": _TOKEN}, raise_for_status=True) as session:
        project = f"{yard.base_url}/api/v4/{_PROJECT}"
        for name in ("a.bin", "b.bin"):
            await session.put(f"{project}/packages/generic/press/1.0/{name}", data=b"bytes")
        (package,) = await (await session.get(f"{project}/packages")).json()
        await session.delete(f"{project}/packages/{package['id']}")
        found: list[dict[str, Any]] = []
        while len(found) < len(_TYPES):
            after = int(found[-1]["sequence"]) if found else 0
            answer = await session.get(f"{project}/package_events", params={"after": after, "wait": 30})
            found += await answer.json(content_type=None)
    assert [event["type"] for event in found] == [f"io.packyard.{each}.v1" for each in _TYPES]
    return found


def _run(program: Sequence[str | Path], folder: Path, **settings: object) -> list[str]:
    """Run an example until it had as many events as happened; return what it printed."""
    given = {name: str(value) for name, value in {"COUNT": len(_TYPES), **settings}.items()}
    done = subprocess.run(
        list(map(str, program)),
        cwd=folder,
        env={**inherited(), **given},
        check=False,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[str | Path]]:
    """The examples by name. Node searches the folders around a program for libraries."""
    folder = tmp_path_factory.mktemp("node")
    (folder / "node_modules").symlink_to(_MODULES)
    for file in (_EXAMPLES / "node").glob("*.mjs"):
        shutil.copy(file, folder)
    return {
        "inbox": (_OWN_PYTHON, _EXAMPLES / "python" / "inbox.py"),
        "blocking": (_PYTHON, _EXAMPLES / "python" / "blocking.py"),
        "feed": (_PYTHON, _EXAMPLES / "python" / "feed.py"),
        "node": ("node", folder / "subscriber.mjs"),
        "node feed": ("node", folder / "feed.mjs"),
        "go": ("go", "run", "-C", _EXAMPLES / "go", "."),
    }


@pytest.mark.parametrize("name", ["blocking", "node", "go"])
def test_a_subscriber_has_every_event_of_its_queue_and_of_the_stream(
    news: News, programs: Mapping[str, Sequence[str | Path]], name: str, tmp_path: Path
) -> None:
    if shutil.which(str(programs[name][0])) is None:
        pytest.skip(f"{programs[name][0]} is not installed")
    address = news.addresses[name]

    from_queue = _run(programs[name], tmp_path, EVENTS_ADDRESS=address, EVENTS_QUEUE=f"sub.{name}.v1")
    from_log = _run(programs[name], tmp_path, EVENTS_ADDRESS=address, EVENTS_QUEUE=EVENTS_LOG, EVENTS_OFFSET="first")

    assert from_queue == news.lines
    assert from_log == news.lines


async def test_an_inbox_applies_each_event_once(
    news: News, programs: Mapping[str, Sequence[str | Path]], tmp_path: Path
) -> None:
    settings = {"EVENTS_ADDRESS": news.addresses["inbox"], "DATABASE_URL": news.database_url}

    first = _run(programs["inbox"], tmp_path, **settings, EVENTS_QUEUE="sub.inbox.v1")
    await news.yard.run("events", "replay", "--after", "0", "--to", "sub.inbox.v1")
    second = _run(programs["inbox"], tmp_path, **settings, EVENTS_QUEUE="sub.inbox.v1")
    third = _run(programs["inbox"], tmp_path, **settings, EVENTS_QUEUE=EVENTS_LOG, EVENTS_OFFSET=0)

    names = [line.rpartition(" ")[0] for line in news.lines]
    assert first == [f"{name} applied" for name in names]
    assert second == third == [f"{name} known" for name in names]
    connection = await asyncpg.connect(news.database_url)
    try:
        rows = [tuple(row) for row in await connection.fetch("SELECT packages, bytes FROM destroyed")]
    finally:
        await connection.close()
    assert rows == [(1, 10)]


def test_the_feed_is_followed_and_goes_on_where_it_ended(
    news: News, programs: Mapping[str, Sequence[str | Path]], tmp_path: Path
) -> None:
    settings = {"FEED_ADDRESS": news.feed, "FEED_TOKEN": _TOKEN}

    first = _run(programs["feed"], tmp_path, **settings, COUNT=3)
    second = _run(programs["feed"], tmp_path, **settings, COUNT=1)

    assert [*first, *second] == news.lines


def test_an_event_source_follows_the_feed(
    news: News, programs: Mapping[str, Sequence[str | Path]], tmp_path: Path
) -> None:
    settings = {"FEED_ADDRESS": news.feed, "FEED_TOKEN": _TOKEN, "FEED_AFTER": 0, "FEED_TYPES": ",".join(_TYPES)}

    assert _run(programs["node feed"], tmp_path, **settings) == news.lines
