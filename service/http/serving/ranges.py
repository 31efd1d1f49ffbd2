"""Parts of a file (RFC 9110, section 14): one range of bytes; a request for several gets the whole file."""

import re
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from service.refusals import UnservedError

_RANGE: Final = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")


class RangeUnsatisfiableError(UnservedError):
    """The file has no such byte."""

    def __init__(self, content_range: str) -> None:
        """Keep the header that gives the size of the file."""
        super().__init__(web.HTTPRequestRangeNotSatisfiable.status_code)
        self.content_range = content_range


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes from *start* up to, but without, *end* of a file of *size* bytes."""

    start: int
    end: int
    size: int

    @property
    def is_satisfiable(self) -> bool:
        """Whether there is any such byte."""
        return self.start < self.end

    @property
    def content_range(self) -> str:
        """The value of the header Content-Range."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}" if self.is_satisfiable else f"bytes */{self.size}"


def wanted_part(request: web.Request, *, size: int, tag: str) -> Part | None:
    """Return the part of a file with that entity tag that is asked for; None when it is the whole.

    A header that cannot be read asks for nothing, and neither does one for another version of the file (If-Range).
    """
    matched = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if request.method != "GET" or matched is None or request.headers.get("If-Range", f'"{tag}"') != f'"{tag}"':
        return None
    first, last = matched.groups()
    if not first:
        return Part(max(size - int(last), 0), size, size) if last else None
    if last and int(last) < int(first):
        return None
    return Part(min(int(first), size), min(int(last) + 1, size) if last else size, size)
