"""Messages on their way from the outbox to the broker."""

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
    """A message in the outbox; an event is numbered."""

    position: int
    id: UUID
    kind: Kind
    routing_key: str
    body: Json
    sequence: int | None
