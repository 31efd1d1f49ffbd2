"""Which of several servers was promoted last: each promotion of a standby begins a timeline with a higher number.

An old primary that comes back after a failover takes writes again, and has nothing of what the promoted server has
accepted since. So a process uses no server whose timeline is older than one that it has seen.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

from service.errors import DatabaseAwayError

TIMELINE: Final = """
SELECT system_identifier::text AS family,
       CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline
  FROM pg_control_system()
"""
"""Asks a server for its timeline, eight hexadecimal digits; a standby has none of its own.

Servers that are copies of each other are one family.
"""


class Timelines:
    """The highest timeline that a process has seen of each family of servers."""

    def __init__(self) -> None:
        """Begin without having seen a server."""
        self._highest: dict[str, str] = {}
        self._is_survey_due = True

    def note(self, family: str, timeline: str) -> None:
        """Note the timeline of a server that takes writes.

        Raises:
            DatabaseAwayError: another server of its family was promoted later.
        """
        if timeline < self._highest.get(family, ""):
            raise DatabaseAwayError(f"an old primary, of timeline {timeline}: another server was promoted since")
        self._highest[family] = timeline

    def doubt(self) -> None:
        """Let all hosts be seen before the next connection, since a server has brought no answer."""
        self._is_survey_due = True

    async def survey(self, hosts: Sequence[str], see: Callable[[str], Coroutine[None, None, None]]) -> None:
        """Let *see* note the timeline of each host, if that is due."""
        if not self._is_survey_due:
            return
        async with asyncio.TaskGroup() as group:
            for host in hosts:
                group.create_task(see(host))
        self._is_survey_due = False


SEEN: Final = Timelines()
"""The timelines that this process has seen. A new process knows none, so its first connection sees all hosts."""
