"""Reading the metadata that npm sends back whole, to deprecate or to unpublish versions: as it comes, and bounded."""

import asyncio
from collections.abc import AsyncIterable, Generator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, TypeAlias

import ijson

from service.refusals import BadParametersError, UnservedError
from service.registries.npm.rows import MOST_VERSIONS

_LARGEST: Final = 32 * 1024 * 1024
_SLICE: Final = 16 * 1024
"""Bytes that are parsed before others have their turn."""
_LONGEST_TEXT: Final = 4_000
_UNREADABLE: Final = "body should be the metadata of a package"

_Event: TypeAlias = tuple[str, str, object]


@dataclass(slots=True)
class SentMetadata:
    """The part of the metadata, as a client sends them back, that counts."""

    name: str = ""
    versions: set[str] = field(default_factory=set)
    deprecated: dict[str, str] = field(default_factory=dict)
    """Version -> why it should not be used; empty if it may be."""

    def take(self) -> Generator[None, _Event]:
        """Take the events of a parser."""
        version, place = "", ""
        while True:
            prefix, event, value = yield
            if (prefix, event) == ("versions", "map_key"):
                version = str(value)
                place = f"versions.{version}.deprecated"
                self.versions.add(version)
                if len(self.versions) > MOST_VERSIONS:
                    raise BadParametersError("versions has too many versions")
            elif event == "string" and prefix == place and version.isprintable():
                self.deprecated[version] = str(value)
            elif event == "string" and prefix == "name":
                self.name = str(value)


async def read_metadata(pieces: AsyncIterable[bytes], *, name: str) -> SentMetadata:
    """Read the metadata of the package *name*.

    Raises:
        BadParametersError: they cannot be read, or are of another package.
        UnservedError: they are too large.
    """
    found = SentMetadata()
    sink = found.take()
    next(sink)
    parser = ijson.parse_coro(sink)
    size = 0
    try:
        async for piece in pieces:
            size += len(piece)
            if size > _LARGEST:
                raise UnservedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            for start in range(0, len(piece), _SLICE):
                parser.send(piece[start : start + _SLICE])
                await asyncio.sleep(0)
        parser.close()
    except (ijson.JSONError, UnicodeError, StopIteration):
        raise BadParametersError(_UNREADABLE) from None
    if found.name != name:
        raise BadParametersError("name is not the name in the address")
    if any(len(text) > _LONGEST_TEXT or "\x00" in text for text in found.deprecated.values()):
        raise BadParametersError("deprecated should have at most 4000 characters")
    return found
