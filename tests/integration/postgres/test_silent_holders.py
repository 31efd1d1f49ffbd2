"""Locks whose holder falls silent without a word: only one process ever works, and another one takes over soon."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Final

import asyncpg
import pytest
from structlog.testing import capture_logs

from service.context import Context
from service.errors import DatabaseAwayError
from service.infra.postgres.database import Database
from service.infra.postgres.pool import open_database
from service.infra.postgres.sessions.advisory_locks import ProcessLock
from service.infra.postgres.sessions.kept import Pulse
from service.storage_check import schedule
from service.storage_check.check import StorageCheck
from service.storage_check.findings import Finding
from tests.support.ways import Way
from workers import scheduler
from workers.scheduler import run_scheduler

_QUICK: Final = Pulse(ping=0.3, silence=1.2, freed=2, missed=1)
_ROUND_S: Final = 2.5
"""Longer than the server keeps the lock of a silent holder."""


@asynccontextmanager
async def _by_way(url: str, pulse: Pulse = _QUICK) -> AsyncGenerator[tuple[Database, Way]]:
    """Give a database that is reached over a way that can fall silent."""
    way = Way(url)
    await way.open()
    try:
        async with open_database(way.url, pulse=pulse) as database:
            try:
                yield database, way
            finally:
                way.pass_on_again()
    finally:
        await way.close()


class Shifts:
    """The order of work: each piece says when it begins and ends."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.working: set[str] = set()
        self.most = 0

    def piece(self, name: Callable[..., str]) -> Callable[..., Coroutine[None, None, int]]:
        async def work(*given: object) -> int:
            me = name(*given)
            self.begun.append(me)
            self.working.add(me)
            self.most = max(self.most, len(self.working))
            try:
                await asyncio.sleep(_ROUND_S)
            finally:
                self.working.discard(me)
            return 0

        return work


async def test_a_silent_holder_ends_its_work_before_another_process_gets_the_lock(database_url: str) -> None:
    loop = asyncio.get_running_loop()
    async with _by_way(database_url) as (lost, way), open_database(database_url, pulse=_QUICK) as other:

        async def hold() -> None:
            async with lost.lock(ProcessLock.RELAY) as lock:
                assert await lock.acquire()
                await asyncio.sleep(_ROUND_S)  # it is held for longer than the server waits for a silent holder
                way.fall_silent()
                await asyncio.sleep(_ROUND_S)

        with pytest.raises(DatabaseAwayError, match=r"a session was ended, or silent for 1\.2 s"):
            await hold()
        ended = loop.time()

        async with other.lock(ProcessLock.RELAY) as lock, asyncio.timeout(10):
            while not await lock.acquire():
                await asyncio.sleep(0.05)
        assert 0 < loop.time() - ended < _QUICK.freed + 1


async def test_a_holder_that_the_server_ends_stops_working_immediately(database_url: str) -> None:
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1"
    async with open_database(database_url) as database:

        async def hold() -> None:
            async with database.lock(ProcessLock.RELAY) as lock, asyncio.timeout(_ROUND_S):
                assert await lock.acquire()
                async with database.connection() as connection:
                    await connection.execute(end, ProcessLock.RELAY)
                await asyncio.sleep(2 * _ROUND_S)

        with pytest.raises(DatabaseAwayError):
            await hold()


async def test_one_scheduler_works_through_long_rounds_and_checks_and_another_takes_over_from_a_silent_one(
    filled: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds, checks = Shifts(), Shifts()
    monkeypatch.setattr(scheduler, "schedule_once", rounds.piece(lambda context: str(id(context.database))))
    check = checks.piece(lambda run: str(id(run._database)))

    async def findings(run: StorageCheck) -> AsyncGenerator[list[Finding]]:
        await check(run)
        yield []

    monkeypatch.setattr(StorageCheck, "alone", lambda _run: nullcontext())
    monkeypatch.setattr(StorageCheck, "findings", findings)
    monkeypatch.setattr(scheduler, "_CHECK_PERIOD", timedelta(seconds=0.5))

    async def is_due(*_: object) -> bool:
        return True

    monkeypatch.setattr(schedule, "is_due", is_due)
    url = filled.settings.database_url.get_secret_value()
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        lost, way = await stack.enter_async_context(_by_way(url))
        other = await stack.enter_async_context(open_database(url, pulse=_QUICK))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        group.create_task(run_scheduler(replace(filled, database=lost), stop))
        await asyncio.sleep(0.8)
        group.create_task(run_scheduler(replace(filled, database=other), stop))
        await asyncio.sleep(_ROUND_S)
        way.fall_silent()
        async with asyncio.timeout(_QUICK.freed + 10):
            while {rounds.begun[-1], checks.begun[-1]} != {str(id(other))}:
                await asyncio.sleep(0.05)
        stop.set()

    assert (rounds.most, checks.most) == (1, 1)
    assert set(rounds.begun[:-1]) == set(checks.begun[:-1]) == {str(id(lost))}


async def test_a_listener_that_can_hear_nothing_any_more_is_cancelled(database_url: str) -> None:
    async with _by_way(database_url) as (database, way), asyncio.timeout(10):

        async def listen() -> None:
            async with database.listen("packyard_outbox") as listening:
                way.fall_silent()
                await listening.heard.wait()

        with pytest.raises(DatabaseAwayError):
            await listen()


async def test_a_stand_by_says_once_who_holds_the_lock_and_does_not_work(filled: Context) -> None:
    url = filled.settings.database_url.get_secret_value()
    silent = await asyncpg.connect(url, server_settings={"application_name": "somebody"})
    pid = silent.get_server_pid()
    _, space, number = ProcessLock.SCHEDULER.key
    await silent.execute(f"SELECT pg_advisory_lock({space}, {number})")
    stop = asyncio.Event()
    with capture_logs() as lines:
        async with open_database(url, pulse=_QUICK) as database, asyncio.TaskGroup() as group:
            group.create_task(run_scheduler(replace(filled, database=database), stop))
            await asyncio.sleep(4 * _QUICK.missed)
            stop.set()
    await silent.close()

    (said,) = [line for line in lines if line["event"] == "nobody_active"]
    assert said["missed"] == "scheduler"
    assert said["lock_held_by"].startswith(f"session {pid} of somebody at 127.0.0.1, idle since 2")


async def test_a_process_of_the_version_before_and_one_of_now_stand_by_for_each_other(database_url: str) -> None:
    old = await asyncpg.connect(database_url)
    take = "SELECT pg_try_advisory_lock(hashtextextended('packyard.relay', 0))"
    assert await old.fetchval(take)
    async with open_database(database_url, pulse=_QUICK) as database, database.lock(ProcessLock.RELAY) as lock:
        assert not await lock.acquire()
        await old.close()
        async with asyncio.timeout(5):
            while not await lock.acquire():
                await asyncio.sleep(0.05)
        other = await asyncpg.connect(database_url)
        assert not await other.fetchval(take)
        await other.close()
