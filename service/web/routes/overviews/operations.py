"""The page of operations, for administrators: queues, their consumers, what waits and how long, and who is active."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from service.backlog import activity, queues
from service.backlog import rows as backlog_rows
from service.backlog.activity import LockSession
from service.backlog.queues import QueueReport
from service.backlog.rows import DeletionFiguresRow, OutboxFiguresRow
from service.infra.postgres.sessions.advisory_locks import ProcessLock
from service.web.frame.rendering import render
from service.web.frame.routing import PageRoutes
from service.web.visits import administration_visit

routes = PageRoutes()

_STALE_S: Final = 30.0
"""The relay reports every five seconds; a report that is this old says that it has stopped."""
_SHOWN: Final = (ProcessLock.RELAY, ProcessLock.SCHEDULER)


@dataclass(frozen=True, slots=True)
class OperationsView:
    """The processes that run, and the work that waits."""

    report: QueueReport
    deletions: Sequence[DeletionFiguresRow]
    messages: Sequence[OutboxFiguresRow]
    processes: Mapping[ProcessLock, Sequence[LockSession]]

    @property
    def is_stale(self) -> bool:
        """Whether the report about the queues is too old to be true."""
        return self.report.age_s is None or self.report.age_s > _STALE_S

    @property
    def oldest_due_s(self) -> float | None:
        """For how long the oldest deletion has waited for a worker."""
        return max((row.oldest_due for row in self.deletions if row.oldest_due is not None), default=None)

    @property
    def due(self) -> int:
        """How many deletions wait for a worker."""
        return sum(row.due for row in self.deletions)

    @property
    def lag_s(self) -> float | None:
        """For how long the oldest message has waited for the broker."""
        return max((row.lag for row in self.messages if row.lag is not None), default=None)


@routes.page("/-/operations")
async def show_operations(request: web.Request) -> web.Response:
    """Show what runs and what waits."""
    async with administration_visit(request) as connection:
        sessions = await activity.lock_sessions(connection)
        view = OperationsView(
            report=await queues.last_report(connection),
            deletions=sorted(await backlog_rows.deletions(connection), key=lambda row: (row.state, row.lane)),
            messages=sorted(await backlog_rows.outbox(connection), key=lambda row: row.kind),
            processes={lock: [found for found in sessions if found.lock is lock] for lock in _SHOWN},
        )
    return render(request, "operations.html", operations=view, most=backlog_rows.MOST)
