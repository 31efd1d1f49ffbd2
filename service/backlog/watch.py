"""The backlog in the database, read by one process and reported at each scrape."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Self

from schemas.names import Lane
from schemas.statuses import ENDED, DeletionState
from service.backlog import rows as backlog_rows
from service.backlog.rows import (
    DeletionFiguresRow,
    OutboxFiguresRow,
    QuotaFiguresRow,
    RetentionFiguresRow,
    WebhookFiguresRow,
)
from service.infra.postgres.database import Database
from service.observing import metrics

_EVERY_S: Final = 5.0
_TOO_OLD_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """The waiting work: deletions by state and lane, messages by kind, runs of rules by state, quotas."""

    deletions: Sequence[DeletionFiguresRow]
    outbox: Sequence[OutboxFiguresRow]
    retention: Sequence[RetentionFiguresRow]
    webhooks: WebhookFiguresRow
    quotas: QuotaFiguresRow

    @classmethod
    async def read(cls, database: Database) -> Self:
        """Ask the database; with very many rows, the counts are lower bounds."""
        async with database.connection() as connection:
            return cls(
                await backlog_rows.deletions(connection),
                await backlog_rows.outbox(connection),
                await backlog_rows.retention(connection),
                await backlog_rows.webhooks(connection),
                await backlog_rows.quotas(connection),
            )

    def gauges(self) -> metrics.MetricFamilies:
        """Return the figures under their public names."""
        yield from _gauges_of_deletions(self.deletions)
        yield from _gauges_of_outbox(self.outbox)
        yield from _gauges_of_retention(self.retention)
        yield from _gauges_of_webhooks(self.webhooks)
        yield from _gauges_of_quotas(self.quotas)


def _gauges_of_deletions(rows: Sequence[DeletionFiguresRow]) -> metrics.MetricFamilies:
    by_state = dict.fromkeys(sorted(set(DeletionState) - ENDED), 0)
    by_lane = dict.fromkeys(Lane, 0)
    for row in rows:
        by_state[row.state] += row.deletions
        by_lane[row.lane] += row.due
    oldest = max((row.oldest_due or 0.0 for row in rows), default=0.0)
    yield metrics.gauges(
        "packyard_deletions",
        "Deletions that are not finished",
        ("state",),
        [((state,), count) for state, count in by_state.items()],
    )
    yield metrics.gauges(
        "packyard_deletions_due",
        "Deletions that wait for a worker now",
        ("lane",),
        [((lane,), count) for lane, count in by_lane.items()],
    )
    held = sum(row.held for row in rows)
    yield metrics.gauges("packyard_deletions_held", "Deletions that a hold keeps from going on", (), [((), held)])
    yield metrics.gauges(
        "packyard_deletion_oldest_pending_seconds",
        "How long the oldest deletion that waits for a worker has been due",
        (),
        [((), oldest)],
    )


def _gauges_of_outbox(rows: Sequence[OutboxFiguresRow]) -> metrics.MetricFamilies:
    yield metrics.gauges(
        "packyard_outbox_unpublished",
        "Messages in the outbox that the broker has not confirmed",
        ("kind",),
        [((row.kind,), row.unpublished) for row in rows],
    )
    yield metrics.gauges(
        "packyard_outbox_lag_seconds",
        "How long the oldest of those has been in the outbox",
        ("kind",),
        [((row.kind,), row.lag or 0.0) for row in rows],
    )


def _gauges_of_retention(rows: Sequence[RetentionFiguresRow]) -> metrics.MetricFamilies:
    found = {row.state: row for row in rows}
    states = ("planning", "awaiting_approval", "deleting")
    yield metrics.gauges(
        "packyard_retention_runs_open",
        "Runs of retention rules that have not ended",
        ("state",),
        [((state,), found[state].runs if state in found else 0) for state in states],
    )
    yield metrics.gauges(
        "packyard_retention_oldest_open_seconds",
        "How long ago the oldest of those was asked for",
        ("state",),
        [((state,), found[state].oldest if state in found else 0.0) for state in states],
    )


def _gauges_of_webhooks(row: WebhookFiguresRow) -> metrics.MetricFamilies:
    yield metrics.gauges(
        "packyard_webhooks",
        "Webhooks that are due for a deliverer, that fail, or that are disabled",
        ("state",),
        [(("due",), row.due), (("failing",), row.failing), (("disabled",), row.disabled)],
    )
    yield metrics.gauges(
        "packyard_webhook_oldest_due_seconds",
        "How long the oldest webhook that waits for a deliverer has been due",
        (),
        [((), row.oldest_due or 0.0)],
    )


def _gauges_of_quotas(row: QuotaFiguresRow) -> metrics.MetricFamilies:
    yield metrics.gauges(
        "packyard_quotas_reached",
        "Quotas of which at least so many percent are used",
        ("percent",),
        [(("80",), row.near), (("100",), row.reached)],
    )


class Watch:
    """Reads the backlog now and then, and reports the last figures; figures that are too old are not reported."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without figures."""
        self._database = database
        self._clock = clock
        self._read_at = -math.inf
        self._backlog: Backlog | None = None

    @contextmanager
    def exported(self) -> Iterator[Self]:
        """Report the figures while the block runs; other processes that could report them do not."""
        with metrics.exported(self._gauges):
            yield self

    async def refresh(self) -> None:
        """Read the backlog again, if the last reading is old enough."""
        if self._clock() - self._read_at >= _EVERY_S:
            self._backlog = await Backlog.read(self._database)
            self._read_at = self._clock()

    def _gauges(self) -> metrics.MetricFamilies:
        if self._backlog and self._clock() - self._read_at < _TOO_OLD_S:
            yield from self._backlog.gauges()
