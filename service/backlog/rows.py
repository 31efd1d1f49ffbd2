"""Rows of figures about our own tables, cheap however long these are."""

from dataclasses import dataclass
from typing import Final

from schemas.messages.outgoing import Kind
from schemas.names import Lane
from schemas.statuses import DeletionState
from service.infra.postgres.database import Connection, fetch
from service.infra.postgres.records import row_reader

MOST: Final = 200_000
"""How many rows of a kind are counted; if there are more, the figures are lower bounds."""


@dataclass(frozen=True, slots=True)
class DeletionFiguresRow:
    """Unfinished deletions of one state and lane."""

    state: DeletionState
    lane: Lane
    deletions: int
    held: int
    """How many of them a hold stops."""
    due: int
    """How many of them wait for a worker."""
    oldest_due: float | None
    """For how many seconds the oldest of these has waited."""


@dataclass(frozen=True, slots=True)
class OutboxFiguresRow:
    """Unpublished messages of one kind."""

    kind: Kind
    unpublished: int
    lag: float | None
    """For how many seconds the oldest has been in the outbox."""


@dataclass(frozen=True, slots=True)
class RetentionFiguresRow:
    """Open runs of retention rules in one state."""

    state: str
    runs: int
    oldest: float
    """For how many seconds the oldest of them has been there."""


@dataclass(frozen=True, slots=True)
class QuotaFiguresRow:
    """The quotas of which much is used."""

    near: int
    """How many have reached 80 percent."""
    reached: int
    """How many of them have reached 100 percent."""


@dataclass(frozen=True, slots=True)
class WebhookFiguresRow:
    """The webhooks for which something is due, and those with failures."""

    due: int
    failing: int
    disabled: int
    oldest_due: float | None
    """For how many seconds the oldest due one, which no deliverer works on, has waited."""


_deletion_figures: Final = row_reader(DeletionFiguresRow)
_outbox_figures: Final = row_reader(OutboxFiguresRow)
_retention_figures: Final = row_reader(RetentionFiguresRow)
_quota_figures: Final = row_reader(QuotaFiguresRow)

_webhook_figures: Final = row_reader(WebhookFiguresRow)


async def webhooks(connection: Connection) -> WebhookFiguresRow:
    """Return the figures of webhooks."""
    (record,) = await fetch(connection, "webhook_figures", limit=MOST)
    return _webhook_figures(record)


async def deletions(connection: Connection) -> list[DeletionFiguresRow]:
    """Return the figures of unfinished deletions by state and lane."""
    return [_deletion_figures(record) for record in await fetch(connection, "deletion_figures", limit=MOST)]


async def outbox(connection: Connection) -> list[OutboxFiguresRow]:
    """Return the figures of unpublished messages by kind."""
    records = await fetch(connection, "outbox_figures", limit=MOST, kinds=list(Kind))
    return [_outbox_figures(record) for record in records]


async def retention(connection: Connection) -> list[RetentionFiguresRow]:
    """Return the figures of open runs of retention rules by state."""
    return [_retention_figures(record) for record in await fetch(connection, "retention_figures")]


async def quotas(connection: Connection) -> QuotaFiguresRow:
    """Return how many quotas have reached each threshold."""
    (record,) = await fetch(connection, "quota_figures")
    return _quota_figures(record)
