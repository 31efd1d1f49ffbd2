"""A database that falls silent: requests end in time, the probe waits for nobody, and all goes on when it is back."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final

import pytest
from aiohttp.test_utils import TestClient, TestServer

from service import pings
from service.app import create_app
from service.catalogue import uploads
from service.context import Context
from service.infra.postgres import acquiring
from service.infra.postgres.database import DatabaseUnavailableError
from service.infra.postgres.pool import open_database
from service.infra.postgres.sessions import connecting
from service.observing.servers import Condition, ObservedServer
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query
from tests.support.packages import MAINTAINER, PUBLIC
from tests.support.ways import Way

_ANSWER_S: Final = 2.4
"""Like the rest, a fifth of what it is in production."""
_AT_ONCE: Final = 30


@pytest.fixture
async def way(filled: Context) -> AsyncGenerator[Way]:
    """The way to the database."""
    way = Way(filled.settings.database_url.get_secret_value())
    await way.open()
    yield way
    await way.close()


@pytest.fixture
async def reached(filled: Context, way: Way, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Context]:
    """A context that reaches its database over the way, and is impatient."""
    monkeypatch.setattr(connecting, "STATEMENT_TIMEOUT_S", 2.0)
    monkeypatch.setattr(connecting, "ANSWER_TIMEOUT_S", _ANSWER_S)
    monkeypatch.setattr(acquiring, "_ACQUIRE_TIMEOUT_S", 1.6)
    async with open_database(way.url) as opened:
        yield replace(filled, database=opened)
        way.pass_on_again()


@pytest.fixture
async def api(reached: Context) -> AsyncGenerator[Client]:
    """The API in front of it."""
    async with TestClient(TestServer(create_app(reached))) as client:
        yield client


async def test_every_request_that_meets_the_silence_is_503_in_time_and_later_ones_are_served(
    filled: Context, way: Way, api: Client
) -> None:
    package_id = await publish(filled)
    asked = (
        ("GET", PUBLIC, None),
        ("GET", f"{PUBLIC}/{package_id}", None),
        ("DELETE", f"{PUBLIC}/{package_id}", None),
        ("PUT", f"{PUBLIC}/generic/app/1/f", b"bytes"),
    )
    async with api.get(PUBLIC, headers=MAINTAINER) as answer:
        assert answer.status == 200  # some connections are open, others are not
    loop = asyncio.get_running_loop()

    async def ask(method: str, path: str, data: bytes | None) -> tuple[int, float]:
        began = loop.time()
        async with api.request(method, path, data=data, headers=MAINTAINER) as answer:
            assert answer.status == 200 or "Retry-After" in answer.headers
            return answer.status, loop.time() - began

    way.fall_silent()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(*asked[number % len(asked)])) for number in range(_AT_ONCE)]
    answers = [task.result() for task in tasks]
    way.pass_on_again()
    status, took = await ask("GET", PUBLIC, None)

    assert {found for found, _ in answers} == {503}
    assert max(seconds for _, seconds in answers) < _ANSWER_S + 1
    assert status == 200
    assert took < _ANSWER_S
    assert await query(filled, "SELECT id FROM deletion") == []


async def test_an_upload_that_meets_the_silence_after_its_last_byte_is_503_in_time(
    filled: Context, way: Way, api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_ASK_AGAIN_S", 0.4)
    loop = asyncio.get_running_loop()
    silent_since = 0.0

    async def body() -> AsyncGenerator[bytes]:
        nonlocal silent_since
        yield b"first"
        await asyncio.sleep(0.5)
        way.fall_silent()
        silent_since = loop.time()
        yield b"last"

    async with api.put(f"{PUBLIC}/generic/app/1/f", data=body(), headers=MAINTAINER) as answer:
        assert answer.status == 503
    assert loop.time() - silent_since < _ANSWER_S + 1
    assert await query(filled, "SELECT id FROM package_file") == []


async def test_a_statement_without_an_answer_frees_its_place_in_the_pool(way: Way, reached: Context) -> None:
    async with reached.database.connection() as connection:
        await connection.fetchval("SELECT 1")
        way.fall_silent()
        with pytest.raises(DatabaseUnavailableError):
            await connection.fetchval("SELECT 1")
        began = asyncio.get_running_loop().time()

    assert asyncio.get_running_loop().time() - began < 0.5
    assert reached.database.usage()["used"] == 0


async def test_work_that_is_cancelled_in_the_silence_is_over_soon(way: Way, reached: Context) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with reached.database.transaction() as connection:
            begun.set()
            await connection.fetchval("SELECT pg_sleep(30)", timeout=60)

    working = asyncio.create_task(work())
    await begun.wait()
    way.fall_silent()
    await asyncio.sleep(0.1)
    working.cancel()
    async with asyncio.timeout(6):
        await asyncio.wait({working})

    assert working.cancelled()
    assert reached.database.usage()["used"] == 0


async def test_readiness_waits_for_nobody_and_says_what_the_last_ping_saw(
    reached: Context, way: Way, api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pings, "_PATIENCE_S", 0.5)
    monkeypatch.setattr(pings, "_DATABASE_EVERY_S", 0.2)
    loop = asyncio.get_running_loop()

    async def is_seen(condition: Condition) -> None:
        while reached.servers.condition(ObservedServer.DATABASE) is not condition:
            await asyncio.sleep(0.02)
        began = loop.time()
        async with api.get("/-/ready") as answer:
            body = await answer.json()
        assert loop.time() - began < 0.5
        assert (answer.status, body["status"]) == (200, "ok")
        assert body["servers"] == {"database": condition, "store": "ok"}

    async with pings.pinged(reached), asyncio.timeout(20):
        await is_seen(Condition.OK)
        way.fall_silent()
        await is_seen(Condition.AWAY)
        way.pass_on_again()
        await is_seen(Condition.OK)


@pytest.mark.usefixtures("database_of_its_own")
async def test_readiness_names_a_database_that_takes_no_writes(reached: Context, api: Client) -> None:
    async with reached.database.connection() as connection:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        connection.terminate()
    async with pings.pinged(reached), asyncio.timeout(10):
        while reached.servers.condition(ObservedServer.DATABASE) is not Condition.READ_ONLY:
            await asyncio.sleep(0.02)
        async with api.get("/-/ready") as answer:
            body = await answer.json()

    assert (answer.status, body["servers"]["database"]) == (200, "takes no writes")
