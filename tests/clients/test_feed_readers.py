"""Many readers of the feed at one API process: a thousand streams, long polls, and readers of a byte a second."""

import asyncio
import hashlib
import resource
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest

from schemas.messages.events import PackageDestroyed
from schemas.messages.examples import example_fact
from service.events import outbox
from service.infra.postgres.pool import open_database
from service.settings import Settings
from tests.support.catalogue import DIRECTORY
from tests.support.yard import Yard, eventually
from tests.system.benchmarks.processes import memory_of, watched_memory

_FEED: Final = "/api/v4/projects/100/package_events"
_LIST: Final = "/api/v4/projects/100/packages"
_STREAM: Final = {"Accept": "text/event-stream"}
_MAINTAINER: Final = {"PRIVATE-TOKEN": "maintainer-token"}
_CALLERS: Final = 50
_STREAMS_EACH: Final = 20
_POLLS: Final = 10
_SLOW: Final = 20
_EVENTS: Final = 10
_PATIENCE_S: Final = 60
_QUICK_S: Final = 0.5
"""The longest that 95 of 100 small requests may take on a busy machine of two cores."""
_MOST_CONNECTIONS: Final = 30
"""More than the pools of two processes and their listeners."""
_FILE_IDS: Final = tuple(range(10_000_000, 10_001_000))


@dataclass(frozen=True, slots=True)
class _Watched:
    yard: Yard
    database_url: str


@pytest.fixture
async def watched(settings: Settings, tmp_path: Path) -> AsyncGenerator[_Watched]:
    yard = Yard(settings, tmp_path)
    async with aclosing(yard):
        await yard.run("directory", "apply", str(DIRECTORY))
        await yard.start("serve", "relay")
        yield _Watched(yard, settings.database_url.get_secret_value())


async def _add_callers(database_url: str) -> list[str]:
    """Add users with a token each; return the tokens."""
    tokens = [f"reader-{number}" for number in range(_CALLERS)]
    digests = [hashlib.sha256(token.encode()).digest() for token in tokens]
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "WITH made AS (INSERT INTO directory_user (username, name) SELECT t, t FROM unnest($1::text[]) t"
            " RETURNING id, username)"
            " INSERT INTO access_token (user_id, name, digest, scopes)"
            " SELECT m.id, 't', d.digest, '{api}' FROM made m"
            " JOIN unnest($1::text[], $2::bytea[]) d (username, digest) USING (username)",
            tokens,
            digests,
        )
    finally:
        await connection.close()
    return tokens


async def _happen(database_url: str, count: int, *, pause_s: float = 0.0, is_large: bool = False) -> None:
    about: dict[str, object] = {"project_id": 100, "root_group_id": 10}
    if is_large:
        about["package_file_ids"] = _FILE_IDS
    fact = example_fact(PackageDestroyed).model_copy(update=about)
    async with open_database(database_url, size=1) as database:
        for _ in range(count):
            async with database.transaction() as connection:
                await outbox.append(connection, [outbox.event(fact)])
            await asyncio.sleep(pause_s)


async def _waits(base_url: str, count: int) -> list[float]:
    """Return how long each of so many small requests took, four at a time."""
    found: list[float] = []

    async def ask(session: aiohttp.ClientSession) -> None:
        while len(found) < count:
            began = time.perf_counter()
            async with session.get(_LIST) as answer:
                await answer.read()
            found.append(time.perf_counter() - began)

    async with (
        aiohttp.ClientSession(base_url, headers=_MAINTAINER, raise_for_status=True) as session,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(4):
            group.create_task(ask(session))
    return found


def _p95(waits: Sequence[float]) -> float:
    return quantiles(waits, n=20)[-1]


class _Counting:
    """A stream of one caller; counts its events."""

    def __init__(self) -> None:
        self.events = 0

    async def read(self, answer: aiohttp.ClientResponse) -> None:
        async for line in answer.content:
            self.events += line.startswith(b"data: ")


@asynccontextmanager
async def _streams(base_url: str, tokens: Sequence[str]) -> AsyncGenerator[list[_Counting]]:
    readers: list[_Counting] = []
    timeout = aiohttp.ClientTimeout(total=None)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(
            aiohttp.ClientSession(base_url, timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        )
        reading: list[asyncio.Task[None]] = []
        for token in tokens:
            headers = {**_STREAM, "PRIVATE-TOKEN": token}
            opened = [await session.get(_FEED, headers=headers) for _ in range(_STREAMS_EACH)]
            assert {answer.status for answer in opened} == {200}
            for answer in opened:
                readers.append(_Counting())
                reading.append(asyncio.create_task(readers[-1].read(answer)))
        try:
            yield readers
        finally:
            for task in reading:
                task.cancel()
            await asyncio.wait(reading)


def _all_have(readers: Sequence[_Counting], count: int) -> Callable[[], Awaitable[bool]]:
    async def have() -> bool:
        return all(reader.events >= count for reader in readers)

    return have


async def _connections(database_url: str) -> int:
    """Return how many connections others have to this database."""
    connection = await asyncpg.connect(database_url)
    try:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return int(await connection.fetchval(sql))
    finally:
        await connection.close()


async def _poll(base_url: str) -> int:
    """Wait for the next events by long polls until there were all; return how many came."""
    found, after = 0, 0
    async with aiohttp.ClientSession(base_url, headers=_MAINTAINER, raise_for_status=True) as session:
        while found < _EVENTS:
            async with session.get(_FEED, params={"after": after, "wait": 60}) as answer:
                found += len(await answer.json(content_type=None))
                after = int(answer.headers["X-Next-After"])
    return found


@pytest.mark.timeout(240)
async def test_a_thousand_streams_and_long_polls_leave_the_api_quick_and_the_database_free(watched: _Watched) -> None:
    url, database_url = watched.yard.base_url, watched.database_url
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4_096)), hard))
    tokens = await _add_callers(database_url)
    alone = await _waits(url, 400)
    memory = memory_of(watched.yard.pid("serve"))
    async with _streams(url, tokens) as readers, asyncio.TaskGroup() as group:
        polls = [group.create_task(_poll(url)) for _ in range(_POLLS)]
        beside = await _waits(url, 1_000)
        connections = await _connections(database_url)
        more_memory = memory_of(watched.yard.pid("serve")) - memory
        began = time.monotonic()
        writing = group.create_task(_happen(database_url, _EVENTS, pause_s=0.2))
        while_sending = await _waits(url, 200)
        await writing
        await eventually(_all_have(readers, _EVENTS), within=_PATIENCE_S)
        took = time.monotonic() - began
        assert [await poll for poll in polls] == [_EVENTS] * _POLLS

    print(  # noqa: T201 - what was measured
        f"{len(readers)} streams: p95 of a listing {_p95(alone) * 1e3:.0f} ms alone, {_p95(beside) * 1e3:.0f} ms beside"
        f" idle streams, {_p95(while_sending) * 1e3:.0f} ms while events are sent;"
        f" {more_memory / len(readers) * 1024:.0f} KiB each; {connections} connections to the database;"
        f" {_EVENTS} events to all in {took:.1f} s"
    )
    assert {reader.events for reader in readers} == {_EVENTS}
    assert _p95(beside) < _QUICK_S
    assert connections < _MOST_CONNECTIONS
    assert more_memory < 200


async def _read_a_byte_a_second(base_url: str) -> None:
    parts = urlsplit(base_url)
    assert parts.hostname
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1)
    head = f"GET {_FEED} HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: maintainer-token\r\nAccept: text/event-stream\r\n\r\n"
    writer.write(head.encode())
    try:
        while await reader.read(1):
            await asyncio.sleep(1)
    finally:
        writer.close()


@pytest.mark.timeout(240)
async def test_readers_of_a_byte_a_second_cost_little_memory_and_delay_nobody(watched: _Watched) -> None:
    url, database_url = watched.yard.base_url, watched.database_url
    (token,) = (await _add_callers(database_url))[:1]
    slow = [asyncio.create_task(_read_a_byte_a_second(url)) for _ in range(_SLOW)]
    async with (
        aiohttp.ClientSession(url, headers={**_STREAM, "PRIVATE-TOKEN": token}) as session,
        session.get(_FEED) as answer,
        asyncio.TaskGroup() as group,
    ):
        healthy = _Counting()
        reading = group.create_task(healthy.read(answer))
        await _happen(database_url, 200, is_large=True)
        await eventually(_all_have([healthy], 200), within=_PATIENCE_S)
        async with watched_memory(watched.yard.pid("serve")) as memory:
            before = memory_of(watched.yard.pid("serve"))
            for _ in range(4):
                await _happen(database_url, 200, is_large=True)
            began = time.monotonic()
            await eventually(_all_have([healthy], 1_000), within=_PATIENCE_S)
            behind = time.monotonic() - began
            waits = await _waits(url, 200)
        reading.cancel()
    still = sum(not task.done() for task in slow)
    for task in slow:
        task.cancel()

    print(  # noqa: T201 - what was measured
        f"{_SLOW} readers of a byte a second: {memory.most - before:.1f} MiB more memory while 800 large events came;"
        f" a healthy reader {behind:.2f} s behind; p95 of a listing {_p95(waits) * 1e3:.0f} ms"
    )
    assert still == _SLOW
    assert memory.most - before < 40
    assert behind < 5
    assert _p95(waits) < _QUICK_S
