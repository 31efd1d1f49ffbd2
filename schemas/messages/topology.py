"""The names of exchanges and queues: the public side of the broker."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from schemas.names import Lane

COMMANDS_EXCHANGE: Final = "packyard.commands"
EVENTS_EXCHANGE: Final = "packyard.events"
DEAD_EXCHANGE: Final = "packyard.dlx"
DEAD_QUEUE: Final = "packyard.dead"
EVENTS_LOG: Final = "packyard.events.log"
"""The stream that keeps seven days of events for replay."""

REPLAY_HEADER: Final = "packyard-replay"
"""True on an event that was sent to one queue once more."""
ROUTING_KEY_HEADER: Final = "packyard-routing-key"
"""The routing key of such an event; its own is the name of the queue."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue and the one binding that feeds it."""

    name: str
    arguments: MappingProxyType[str, Any]
    exchange: str
    routing_key: str


EXCHANGES: Final = (
    Exchange(COMMANDS_EXCHANGE, "topic"),
    Exchange(EVENTS_EXCHANGE, "topic"),
    Exchange(DEAD_EXCHANGE, "fanout"),
)

_QUORUM: Final = MappingProxyType({"x-queue-type": "quorum"})
_SEVEN_DAYS: Final = MappingProxyType(
    {"x-queue-type": "stream", "x-max-age": "7D", "x-max-length-bytes": 5_000_000_000}
)

QUEUES: Final = (
    *(Queue(lane.queue, _QUORUM, COMMANDS_EXCHANGE, lane.routing_key) for lane in Lane),
    Queue(DEAD_QUEUE, _QUORUM, DEAD_EXCHANGE, ""),
    Queue(EVENTS_LOG, _SEVEN_DAYS, EVENTS_EXCHANGE, "#"),
)

POLICIES: Final = MappingProxyType(
    {
        "packyard-work": {
            "pattern": r"^packyard\.delete\.",
            "apply-to": "queues",
            "priority": 10,
            "definition": {
                "delivery-limit": 10,
                "dead-letter-exchange": DEAD_EXCHANGE,
                "dead-letter-strategy": "at-least-once",
                "overflow": "reject-publish",
                "max-length": 1_000_000,
            },
        },
        # The oldest events go first. A queue that nobody has consumed from for so long goes as a whole.
        "packyard-subscribers": {
            "pattern": r"^sub\.",
            "apply-to": "queues",
            "priority": 10,
            "definition": {
                "max-length": 200_000,
                "max-length-bytes": 500_000_000,
                "overflow": "drop-head",
                "expires": 14 * 86_400_000,
            },
        },
    }
)
"""Policies that an operator sets on the broker; only a queue's type is an argument, since arguments cannot change."""
