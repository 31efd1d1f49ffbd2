"""Sessions of PostgreSQL that are kept for long, and pinged all the time: one that listens, one that holds a lock."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import ClassVar, Final

import asyncpg

from service.errors import DatabaseAwayError
from service.infra.postgres.sessions.advisory_locks import HOLDER, Holder, ProcessLock
from service.infra.postgres.sessions.connecting import Session
from service.infra.postgres.sessions.silence import SILENCE_S

_CLOSE_TIMEOUT_S: Final = 2
_WORDS: Final = 8
"""How many texts of notifications are kept for who listens."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """How a kept session is watched; all in seconds."""

    ping: float = 4
    """How often the server is asked for a sign of life."""

    silence: float = SILENCE_S
    """How long after the last ping that was answered the session counts as lost, and its work is cancelled."""

    freed: float = 15
    """How long the server keeps a lock whose holder is silent: longer than `silence`, so that only one ever works."""

    missed: float = 30
    """How long a standby may see nobody active before it says so."""


USUAL_PULSE: Final = Pulse()


class KeptSession:
    """A session that is pinged; whatever else runs on it takes turns with the pings."""

    _needs_writes: ClassVar[bool] = False
    """Whether the session is lost when its server takes no writes any more."""

    def __init__(self, session: Session, pulse: Pulse) -> None:
        """Keep *session*, on which nothing runs."""
        self._session = session
        self._pulse = pulse
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator[None]:
        """Ping as long as the block runs, and close the session then; cancel the block when the session is lost.

        Raises:
            DatabaseAwayError: the session was lost; the block has ended by then.
        """
        patience = asyncio.timeout(self._pulse.silence)
        try:
            async with patience:

                def give_up(_session: object) -> None:
                    with suppress(RuntimeError):  # the block is over, or being cancelled
                        patience.reschedule(0)

                self._session.add_termination_listener(give_up)
                pinging = asyncio.create_task(self._keep_pinging(patience))
                try:
                    yield
                finally:
                    self._session.remove_termination_listener(give_up)
                    pinging.cancel()
                    await asyncio.wait({pinging})
        except TimeoutError as error:
            if not patience.expired():
                raise
            self._session.terminate()
            raise DatabaseAwayError(f"a session was ended, or silent for {self._pulse.silence:.3g} s") from error
        finally:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._session.close(timeout=_CLOSE_TIMEOUT_S)

    async def _keep_pinging(self, patience: asyncio.Timeout) -> None:
        loop = asyncio.get_running_loop()
        while True:
            asked = loop.time()
            try:
                async with self._turn:
                    await self._session.execute("SELECT 1", timeout=self._pulse.silence)
                    if self._needs_writes:
                        await self._session.require_writes()
            except (OSError, DatabaseAwayError):
                self._session.terminate()
                return
            if not patience.expired():
                # We count from the question and the server counts from its answer, so the server is never the first.
                patience.reschedule(asked + self._pulse.silence)
            await asyncio.sleep(asked + self._pulse.ping - loop.time())


class Listening(KeptSession):
    """The notifications of a connection that listens."""

    def __init__(self, session: Session, pulse: Pulse) -> None:
        """Begin without having heard anything."""
        super().__init__(session, pulse)
        self.heard = asyncio.Event()
        """Set at each notification; who waits for the next one clears it."""
        self._words: deque[str] = deque(maxlen=_WORDS)

    async def begin(self, channel: str) -> None:
        """Hear each NOTIFY on *channel* from now on."""
        async with self._turn:
            await self._session.add_listener(channel, self._hear)

    def take_words(self) -> list[str]:
        """Return the texts of the latest notifications, each once; if many come together, older ones are forgotten."""
        words = [*self._words]
        self._words.clear()
        return words

    def _hear(self, _session: object, _sender: int, _channel: str, word: object) -> None:
        if isinstance(word, str) and word:
            self._words.append(word)
        self.heard.set()


class AdvisoryLock(KeptSession):
    """A lock that one process has at a time; the server frees it when the holder is gone, or silent for long."""

    _needs_writes = True  # another server may give the same lock to another process

    def __init__(self, session: Session, pulse: Pulse, lock: ProcessLock) -> None:
        """Begin without the lock."""
        super().__init__(session, pulse)
        self._lock = lock
        self._is_ours = False

    async def acquire(self) -> bool:
        """Take the lock if it is free, and return whether it is ours."""
        if not self._is_ours:
            async with self._turn:
                self._is_ours = bool(await self._session.fetchval(*self._lock.taking, timeout=self._pulse.silence))
        return self._is_ours

    @property
    def missed_s(self) -> float:
        """How long a standby may see nobody active before it says so."""
        return self._pulse.missed

    async def holder(self) -> Holder | None:
        """Return the session that holds the lock, if there is one."""
        async with self._turn:
            row = await self._session.fetchrow(HOLDER, *self._lock.key, timeout=self._pulse.silence)
        return None if row is None else Holder(**row)
