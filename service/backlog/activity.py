"""The processes of which only one works at a time, as the sessions of their locks show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from service.infra.postgres.database import Connection, fetch
from service.infra.postgres.records import row_reader
from service.infra.postgres.sessions.advisory_locks import ProcessLock


@dataclass(frozen=True, slots=True)
class LockSession:
    """A session that holds or wants the lock of a process."""

    lock: ProcessLock
    is_active: bool
    """Whether it holds the lock; the others wait for it."""
    address: str | None
    """The address of its process, where our role may see it."""


_session: Final = row_reader(LockSession)


async def lock_sessions(connection: Connection) -> Sequence[LockSession]:
    """Return the sessions for all locks of processes in this database, the active ones first."""
    rows = await fetch(connection, "lock_sessions", names=[lock.value for lock in ProcessLock])
    return [_session(row) for row in rows]
