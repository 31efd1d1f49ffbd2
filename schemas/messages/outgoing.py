"""Messages on their way from the outbox to the broker."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel

from schemas.base import Json


class Kind(StrEnum):
    """The kind of recipient of a message: one worker, or every subscriber."""

    COMMAND = "command"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to be written: id, kind, routing key and body."""

    id: UUID
    kind: Kind
    routing_key: str
    body: BaseModel


@dataclass(frozen=True, slots=True)
class Entry:
    """A command in the outbox."""

    position: int
    id: UUID
    routing_key: str
    body: Json


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event as the log has it: numbered, and complete."""

    sequence: int
    routing_key: str
    headers: Sequence[str]
    """The attributes of the CloudEvent, in the order of `HEADER_NAMES`."""
    body: str
    """The CloudEvent as JSON."""
