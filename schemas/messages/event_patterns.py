"""Patterns that subscribers bind by, and the routing keys that events can have."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from schemas.messages.event import Event
from schemas.messages.events import EVENTS

LAYOUT: Final = "<entity>.<action>.<package_type>.<root_group_id>.<project_id>"

_ONE: Final = "*"
_ANY: Final = "#"


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place in a routing key, and the words that can be there; None: any number."""

    words: frozenset[str] | None

    def takes(self, word: str) -> bool:
        if self.words is None:
            return word.isascii() and word.isdigit()
        return word in self.words


def matches(pattern: str, routing_key: str) -> bool:
    """Return whether a topic exchange routes a message with that key to a queue that is bound by that pattern."""
    return _fits(pattern.split("."), [_Slot(frozenset({word})) for word in routing_key.split(".")])


def objection(pattern: str) -> str | None:
    """Return why no event can match the pattern; None where one can."""
    words = pattern.split(".")
    if any(_fits(words, shape) for shape in _SHAPES):
        return None
    slots = {slot for shape in _SHAPES for slot in shape}
    for word in words:
        if word not in {_ONE, _ANY} and not any(slot.takes(word) for slot in slots):
            return f"{word!r} is no entity ({_ENTITIES}), action ({_ACTIONS}), package type or id"
    return f"a routing key is {LAYOUT}, with `*` for one of its words and `#` for any number of them"


def _fits(words: Sequence[str], slots: Sequence[_Slot]) -> bool:
    reached = {0}
    for word in words:
        if word == _ANY:
            reached = set(range(min(reached), len(slots) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(slots) and (word == _ONE or slots[at].takes(word))}
        if not reached:
            return False
    return len(slots) in reached


def _shape(event: type[Event]) -> tuple[_Slot, ...]:
    fixed = (_Slot(frozenset({event.entity})), _Slot(frozenset({event.action})))
    return (*fixed, *(_slot(event.model_fields[part].annotation) for part in event.key_parts))


def _slot(kind: object) -> _Slot:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _Slot(frozenset(kind))
    return _Slot(None)


TOPICS: Final = tuple(event.topic() for event in EVENTS)
"""All types of events, as `<entity>.<action>`."""

_SHAPES: Final = tuple(map(_shape, EVENTS))
_ENTITIES: Final = ", ".join(sorted({event.entity for event in EVENTS}))
_ACTIONS: Final = ", ".join(sorted({event.action for event in EVENTS}))
