"""Sessions go from hand to hand: no place is lost, and nobody gets one that is closed, outdated or in a transaction."""

import asyncio
import time
from collections.abc import Callable
from typing import cast

import asyncpg
import pytest

from service.errors import DatabaseAwayError
from service.infra.postgres.sessions.connecting import Session
from service.infra.postgres.sessions.lending import Lending

_SIZE = 2


class _Session:
    """A session without a server."""

    def __init__(self) -> None:
        self.made_at = self.idle_since = time.monotonic()
        self.is_open = True
        self.has_begun = False

    def is_closed(self) -> bool:
        return not self.is_open

    def is_in_transaction(self) -> bool:
        return self.has_begun

    async def close(self, *, timeout: float) -> None:  # noqa: ASYNC109 - the driver has it
        assert timeout
        self.is_open = False


async def _make() -> Session:
    await asyncio.sleep(0)
    return cast(Session, _Session())


async def _lend(pool: Lending) -> Session:
    return pool.take() or await pool.wait()


async def test_a_session_given_back_goes_to_the_one_who_waited_longest() -> None:
    pool = Lending(_make, _SIZE)
    first, _ = [await _lend(pool) for _ in range(_SIZE)]
    waiting = [asyncio.create_task(_lend(pool)) for _ in range(2)]
    await asyncio.sleep(0)
    pool.give_back(first)
    assert await waiting[0] is first
    assert not waiting[1].done()
    pool.give_back(first)
    assert await waiting[1] is first
    assert (pool.lent, pool.idle) == (_SIZE, 0)


async def test_a_waiter_that_leaves_loses_no_session() -> None:
    pool = Lending(_make, _SIZE)
    first, _ = [await _lend(pool) for _ in range(_SIZE)]
    early, late = (asyncio.create_task(_lend(pool)) for _ in range(2))
    await asyncio.sleep(0)
    early.cancel()
    pool.give_back(first)
    late.cancel()
    await asyncio.wait([early, late])
    assert (pool.lent, pool.idle) == (1, 1)
    assert await _lend(pool) is first


def _closed(session: _Session) -> None:
    session.is_open = False


def _begun(session: _Session) -> None:
    session.has_begun = True


def _old(session: _Session) -> None:
    session.made_at -= 10_000


@pytest.mark.parametrize("spoil", [_closed, _begun, _old])
async def test_a_session_that_is_not_fit_gives_its_place_to_a_new_one(spoil: Callable[[_Session], None]) -> None:
    pool = Lending(_make, 1)
    first = await _lend(pool)
    waiting = asyncio.create_task(_lend(pool))
    await asyncio.sleep(0)
    spoil(cast(_Session, first))
    pool.give_back(first)
    second = await waiting
    assert second is not first
    assert first.is_closed()
    pool.give_back(second)
    _closed(cast(_Session, second))
    assert await _lend(pool) is not second


async def test_outdated_sessions_end_when_they_are_given_back() -> None:
    pool = Lending(_make, _SIZE)
    used, idle = [await _lend(pool) for _ in range(_SIZE)]
    pool.give_back(idle)
    pool.outdate()
    pool.give_back(used)
    fresh = await _lend(pool)
    assert fresh not in {used, idle}
    pool.give_back(fresh)
    assert await _lend(pool) is fresh
    assert used.is_closed()
    assert idle.is_closed()


async def test_a_failure_to_connect_keeps_no_place() -> None:
    is_away = True

    async def make() -> Session:
        if is_away:
            raise DatabaseAwayError("away")
        return await _make()

    pool = Lending(make, 1)
    for _ in range(2):
        with pytest.raises(DatabaseAwayError):
            await _lend(pool)
    is_away = False
    assert not (await _lend(pool)).is_closed()


async def test_closing_waits_for_users_and_refuses_those_who_wait() -> None:
    pool = Lending(_make, 1)
    session = await _lend(pool)
    waiting = asyncio.create_task(_lend(pool))
    await asyncio.sleep(0)
    closing = asyncio.create_task(pool.close())
    with pytest.raises(asyncpg.InterfaceError):
        await waiting
    assert not closing.done()
    pool.give_back(session)
    async with asyncio.timeout(5):
        await closing
    assert session.is_closed()
    with pytest.raises(asyncpg.InterfaceError):
        await _lend(pool)
