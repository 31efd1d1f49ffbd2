"""The row of links on the pages of a project or group: to those of its pages that the reader may open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from aiohttp import web

PLACE: Final = web.RequestKey("place", tuple[str, Sequence[str]])
"""The address of the place that a page is about, and the rooms of it that its reader may open."""

ALL_READERS: Final = ("packages", "deletions", "events", "storage")
"""The rooms that everybody may open who may read the place."""

_SECTIONS: Final[Mapping[str, str]] = MappingProxyType({"deletion_batches": "deletions"})
_FIRST: Final = "packages"


@dataclass(frozen=True, slots=True)
class PlaceLink:
    """A link to one page of a place."""

    room: str
    """The last part of its address; `packages` for the page of the place itself."""
    address: str
    current: str | None
    """How `aria-current` names it: `page` on the page itself, `true` on a page below it."""


def place_links(request: web.Request) -> Sequence[PlaceLink]:
    """Return the links of the place that the request's page is about; none for a page of the whole instance."""
    found = request.get(PLACE)
    if found is None:
        return ()
    address, rooms = found
    inner = request.path.partition("/-/")[2]
    section = inner.partition("/")[0]
    here = _SECTIONS.get(section, section) if inner else _FIRST
    current = "page" if inner in ("", here) else "true"
    here = here if here in rooms else _FIRST
    return [
        PlaceLink(
            room,
            address if room == _FIRST else f"{address}/-/{room}",
            current if room == here else None,
        )
        for room in rooms
    ]
