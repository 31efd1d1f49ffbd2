"""Parameters of the feeds of events."""

from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, ClassVar, Final

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from schemas.base import Query
from schemas.http.parameters import Integer, OptionalText, blank_is_unset
from schemas.messages.events import EVENTS
from schemas.names import PackageType

LONGEST_WAIT_S: Final = 60
MOST_EVENTS: Final = 1_000
DEFAULT_EVENTS: Final = 100
_LARGEST: Final = 2**63 - 1

_TOPICS: Final = {name: event.topic() for event in EVENTS for name in (event.topic(), event.type_name())}
"""Both names of each type: `package.destroyed` and the one of its CloudEvents."""
_KNOWN: Final = ", ".join(sorted(event.topic() for event in EVENTS))


def _read_types(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = [name.strip() for name in value.split(",") if name.strip()]
    if not names:
        return None
    if any(name not in _TOPICS for name in names):
        raise PydanticCustomError("outside_list", "{names}, with commas between them", {"names": _KNOWN})
    return frozenset(_TOPICS[name] for name in names)


class Since(StrEnum):
    """How far back a list of events goes."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"

    @property
    def length(self) -> timedelta:
        """How long that is."""
        return _LENGTHS[self]


_LENGTHS: Final = MappingProxyType(
    {Since.HOUR: timedelta(hours=1), Since.DAY: timedelta(hours=24), Since.WEEK: timedelta(days=7)}
)


class EventListing(Query):
    """Parameters of a list of events, which begins with the newest one."""

    types: Annotated[frozenset[str] | None, BeforeValidator(_read_types)] = None
    """Only events of these types, with commas between them."""
    package_type: Annotated[PackageType | None, blank_is_unset(None)] = None
    """Only events of packages of this type."""
    project: OptionalText = None
    """Only events of the project with this path or number."""
    since: Annotated[Since | None, blank_is_unset(None)] = None
    """Only events that were recorded so long ago at most."""
    before: Annotated[Annotated[Integer, Field(ge=1, le=_LARGEST)] | None, blank_is_unset(None)] = None
    """Only events before the one with this number."""
    after: Annotated[Annotated[Integer, Field(ge=0, le=_LARGEST)] | None, blank_is_unset(None)] = None
    """The number behind which a stream begins."""


class FeedReading(Query):
    """Parameters of a feed of events."""

    beyond_gitlab: ClassVar[frozenset[str]] = frozenset({"after", "wait", "types", "package_type", "limit"})
    names_rules: ClassVar[bool] = True

    after: Annotated[
        Annotated[Integer, Field(ge=0, le=_LARGEST)] | None,
        blank_is_unset(None),
        WithJsonSchema({"type": "integer", "minimum": 0, "maximum": _LARGEST}),
    ] = None
    """The number of the last event that you have, from its `sequence` or from `X-Next-After`. Without it, an answer
    begins with the oldest event of the feed, and a stream with the next one that comes."""
    wait: Annotated[Integer, Field(ge=0, le=LONGEST_WAIT_S), blank_is_unset(0)] = 0
    """For how many seconds, at most 60, to wait for an event where there is none yet. Takes a credential."""
    types: Annotated[
        frozenset[str] | None,
        BeforeValidator(_read_types),
        WithJsonSchema({"type": "string", "examples": ["package.destroyed,package.restored"]}),
    ] = None
    """Only events of these types, with commas between them, such as `package.destroyed,package.restored`."""
    package_type: Annotated[PackageType | None, blank_is_unset(None)] = None
    """Only events of packages of this type."""
    limit: Annotated[Integer, Field(ge=1, le=MOST_EVENTS), blank_is_unset(DEFAULT_EVENTS)] = DEFAULT_EVENTS
    """How many events an answer has at most: 100 by default, at most 1,000."""
