"""Lending sessions to one user at a time; they are made when they are needed, up to a number.

The driver has a pool of its own. Each use of it makes a proxy, a task and two timeouts, which was a fifth of the CPU of
a small read (`docs/operations/sizing.md`). A session that is free goes from hand to hand here without any of them.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Final

import asyncpg

from service.errors import DatabaseAwayError
from service.infra.postgres.sessions.connecting import Session
from service.infra.postgres.sessions.failures import DRIVER_ERRORS, is_refusal

CLEAN_UP_TIMEOUT_S: Final = 2
"""How long a transaction that is over, or a statement that is not awaited, may keep a connection."""
_LASTS_S: Final = 3_600
"""How long a session is used; the memory of its server process would only grow."""
_IDLE_S: Final = 300
"""How long a session that nobody needs is kept."""
_SWEEP_EVERY_S: Final = 60
_CLOSE_TIMEOUT_S: Final = 5
_PAUSE_S: Final = 1
"""The time between two attempts to connect while the server refuses us."""


class Lending:
    """The sessions of a process."""

    def __init__(self, make: Callable[[], Awaitable[Session]], size: int) -> None:
        """Begin without any; *make* connects one of at most *size*."""
        self.size: Final = size
        self._make = make
        self._places = size
        """How many more sessions there may be."""
        self._idle: list[Session] = []
        """The one that was given back last is lent first, so that sessions that nobody needs grow old."""
        self._lent: set[Session] = set()
        self._outdated: set[Session] = set()
        """Those of the lent ones that nobody else is to get."""
        self._waiting: deque[asyncio.Future[Session | None]] = deque()
        self._closing: set[asyncio.Task[None]] = set()
        self._filling: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._has_lost = False
        """Whether a session was lost since the last attempt to connect; idle ones may be lost, too."""
        self._is_over = False

    @property
    def lent(self) -> int:
        """How many sessions are in use."""
        return len(self._lent)

    @property
    def idle(self) -> int:
        """How many open sessions wait for a user."""
        return sum(not session.is_closed() for session in self._idle)

    def take(self) -> Session | None:
        """Return a session that is free, or None if one has to be made or waited for."""
        if self._has_lost and self._places:
            return None
        while self._idle:
            session = self._idle.pop()
            if not session.is_closed():
                self._lent.add(session)
                return session
            self._free_place()
        return None

    async def wait(self) -> Session:
        """Return a new session, or the next one that is given back if there may be no more.

        Raises:
            DatabaseAwayError, asyncpg.InterfaceError: none can be made.
        """
        if self._is_over:
            raise asyncpg.InterfaceError("the pool is closed")
        if self._places:
            self._places -= 1
            return await self._fill_place()
        return await self._wait_for_turn()

    async def _wait_for_turn(self) -> Session:
        turn: asyncio.Future[Session | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            session = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                given = turn.result()
                self._free_place() if given is None else self.give_back(given)
            raise
        if session is None:
            return await self._fill_place()
        if session.is_closed():
            self._lent.discard(session)
            return await self._fill_place()
        return session

    def give_back(self, session: Session) -> None:
        """Lend the session, which has nothing under way, to the next user."""
        self._lent.discard(session)
        self._has_lost |= session.is_closed()
        is_outdated = session in self._outdated or time.monotonic() - session.made_at > _LASTS_S
        if session.is_closed() or session.is_in_transaction() or is_outdated or self._is_over:
            self._drop(session)
        else:
            self._hand_on(session)

    async def recover(self, session: Session) -> None:
        """Give back a session of which a statement may be under way, when the server has ended that; else end it."""
        try:
            # The driver sends nothing until the server has confirmed that the statement has ended.
            await session.execute("SELECT", timeout=CLEAN_UP_TIMEOUT_S)
        except (DatabaseAwayError, *DRIVER_ERRORS):
            session.terminate()
        self.give_back(session)

    def outdate(self) -> None:
        """Let new sessions take the place of all."""
        self._outdated |= self._lent
        idle, self._idle = self._idle, []
        for session in idle:
            self._drop(session)

    async def close(self) -> None:
        """Wait until every session is given back, and close all of them; callers that wait for one are refused."""
        self._is_over = True
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(asyncpg.InterfaceError("the pool is closed"))
        if self._sweeper is not None:
            self._sweeper.cancel()
        for filling in self._filling:
            filling.cancel()
        self.outdate()
        while self._lent or self._closing:
            if self._closing:
                await asyncio.wait(self._closing)
            else:
                await asyncio.sleep(0.01)

    def terminate(self) -> None:
        """End all sessions without a word to the server."""
        for session in (*self._lent, *self._idle):
            session.terminate()
        for task in (*self._closing, *self._filling):
            task.cancel()

    async def _fill_place(self) -> Session:
        self._has_lost = False
        try:
            session = await self._make()
        except DatabaseAwayError as error:
            if not self._is_refused_beside_others(error):
                self._free_place()
                raise
            _begin(self._fill_later(), self._filling)
            return self.take() or await self._wait_for_turn()
        except BaseException:
            self._free_place()
            raise
        self._lent.add(session)
        return session

    def _is_refused_beside_others(self, error: DatabaseAwayError) -> bool:
        """Return whether open sessions work on while the server refuses new ones.

        So it is while a password changes: the server has the new one already, and the file has it a minute later.
        """
        return is_refusal(error) and any(not session.is_closed() for session in (*self._lent, *self._idle))

    async def _fill_later(self) -> None:
        """Connect for a place that is set aside, so that requests share the sessions that there are until then."""
        try:
            session = await self._make_patiently()
        except (DatabaseAwayError, OSError, *DRIVER_ERRORS):
            self._free_place()  # the next request meets the failure itself
        except BaseException:
            self._free_place()
            raise
        else:
            self.give_back(session)

    async def _make_patiently(self) -> Session:
        while True:
            await asyncio.sleep(_PAUSE_S)
            try:
                return await self._make()
            except DatabaseAwayError as error:
                if not self._is_refused_beside_others(error):
                    raise

    def _free_place(self) -> None:
        if not self._wake(None):
            self._places += 1

    def _hand_on(self, session: Session) -> None:
        if self._wake(session):
            self._lent.add(session)
            return
        session.idle_since = time.monotonic()
        self._idle.append(session)
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP_EVERY_S, self._sweep)

    def _wake(self, session: Session | None) -> bool:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(session)
                return True
        return False

    def _drop(self, session: Session) -> None:
        self._outdated.discard(session)
        if not session.is_closed():
            _begin(_close(session), self._closing)
        self._free_place()

    def _sweep(self) -> None:
        now = time.monotonic()
        old = [session for session in self._idle if now - session.idle_since > _IDLE_S]
        self._idle = [session for session in self._idle if session not in old]
        for session in old:
            self._drop(session)
        loop = asyncio.get_running_loop()
        self._sweeper = loop.call_later(_SWEEP_EVERY_S, self._sweep) if self._idle else None


async def _close(session: Session) -> None:
    with suppress(OSError, *DRIVER_ERRORS):
        await session.close(timeout=_CLOSE_TIMEOUT_S)


def _begin(work: Coroutine[object, object, None], tasks: set[asyncio.Task[None]]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
