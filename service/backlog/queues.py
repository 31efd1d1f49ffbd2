"""The queues as the active relay last saw them, for processes that have no connection to the broker."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from service.infra.postgres.database import Connection, execute, fetch
from service.infra.postgres.records import Record, row_reader

if TYPE_CHECKING:
    from service.infra.rabbitmq.broker import QueueDepth  # the API does without a broker


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A queue: its messages that no consumer has taken, and its consumers."""

    name: str
    ready: int
    consumers: int


@dataclass(frozen=True, slots=True)
class QueueReport:
    """The last report of a relay."""

    reported_at: datetime | None
    """None: no relay has reported yet."""
    age_s: float | None
    queues: Sequence[QueueRow]
    """The queues that could be read; none while the broker is away."""


_queue: Final = row_reader(QueueRow)


async def note_report(connection: Connection, seen: "Mapping[str, QueueDepth]") -> None:
    """Replace the report by what a relay sees now."""
    queues = [{"name": name, **asdict(depth)} for name, depth in seen.items()]
    await execute(connection, "note_queue_report", queues=json.dumps(queues))


async def last_report(connection: Connection) -> QueueReport:
    """Return the last report."""
    (row,) = await fetch(connection, "queue_report")
    found: Sequence[Record] = row["queues"]
    return QueueReport(row["reported_at"], row["age_s"], [_queue(queue) for queue in found])
