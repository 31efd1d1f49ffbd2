"""Advisory locks that outlive a transaction: which there are, how each is taken, and who holds one."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from typing_extensions import override

SPACE: Final = 7_223_117
"""The first of the two numbers of our keys."""


class ProcessLock(StrEnum):
    """A lock that only one process can hold; the session that wants it has the same name."""

    RELAY = "packyard.relay"
    SCHEDULER = "packyard.scheduler"
    SCHEDULED_CHECK = "packyard.scheduled_check"
    RETENTION = "packyard.retention"
    CHECK = "packyard.check"
    """Operators use it, too, so it has the kind of key that every role can take."""

    @property
    def key(self) -> tuple[str, int, int | None]:
        """The values of HOLDER."""
        return self.value, SPACE, _NUMBERS.get(self)

    @property
    def taking(self) -> tuple[str, *tuple[str | int, ...]]:
        """A statement that tries to take the lock, and its values; it returns whether the lock is ours now."""
        number = _NUMBERS.get(self)
        return (_TAKE_COMMON, self.value) if number is None else (_TAKE_RESERVED, self.value, SPACE, number)


_NUMBERS: Final = MappingProxyType(
    {ProcessLock.RELAY: 1, ProcessLock.SCHEDULER: 2, ProcessLock.SCHEDULED_CHECK: 3, ProcessLock.RETENTION: 4}
)
"""The second number of a key. Functions for such keys are the relay's and the scheduler's alone, once rights are given.

So no other role can keep these two on standby. Keys of one number belong to functions that every upload needs.
"""

_TAKE_COMMON: Final = "SELECT pg_try_advisory_lock(hashtextextended($1::text, 0))"
"""By itself, since a statement that names a function of the others, even in a branch, may be refused to operators."""

_TAKE_RESERVED: Final = """
SELECT CASE WHEN NOT pg_try_advisory_lock($2::int, $3::int) THEN false
            WHEN pg_try_advisory_lock(hashtextextended($1::text, 0)) THEN true
            ELSE NOT EXISTS (
                SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                 WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database() AND l.objsubid = 1
                   AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended($1::text, 0)
                   AND a.usename = current_user) END
"""
"""Takes both keys, since the version before knows only the key of one number. Two versions thus wait for each other.

object role can take that old key: it counts only if a session of our own role has it.
"""

HOLDER: Final = """
SELECT a.pid, a.application_name AS application, host(a.client_addr) AS address, a.state, a.state_change AS since,
       extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS silent_s
  FROM pg_locks l JOIN pg_stat_activity a USING (pid)
 WHERE l.locktype = 'advisory' AND l.granted AND a.datname = current_database() AND a.pid <> pg_backend_pid()
   AND ((l.objsubid = 2 AND l.classid::bigint = $2::int AND l.objid::bigint = $3::int)
        OR (l.objsubid = 1 AND (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended($1::text, 0)))
 ORDER BY l.objsubid DESC LIMIT 1
"""
"""Asks for the Holder of a lock."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The session that holds a lock; None for what our role may not see."""

    pid: int
    application: str | None
    address: str | None
    state: str | None
    since: datetime | None
    """Since when it is in that state."""
    silent_s: float | None
    """How many seconds ago it began or ended its last statement."""

    @override
    def __str__(self) -> str:
        """Return what an operator needs to find the session."""
        since = f", {self.state} since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return f"session {self.pid} of {self.application} at {self.address or 'a socket'}{since}"
