"""Long headers of tar archives, in the form of POSIX: records such as `30 path=package/package.json`."""

import re
from collections.abc import Iterator
from typing import Final

from service.registries.archives.errors import ArchiveError

_LINE_OF_PATH: Final = re.compile(rb"(?:^|\n)[0-9]+ path=([^\n]*)\n")
_MOST_DIGITS: Final = 8
_AMBIGUOUS: Final = "has a header that can be read in two ways"


def pax_path(content: bytes) -> str | None:
    """Return the path that a header gives, None if it gives none.

    Raises:
        ArchiveError: it gives a size, too, or clients may read another path in it.
        ValueError: it is no such header.
    """
    found = list(_records(content))
    if any(keyword in {b"size", b"GNU.sparse.name"} for keyword, _ in found):
        raise ArchiveError(_AMBIGUOUS)
    paths = [value for keyword, value in found if keyword == b"path"]
    # npm reads line by line, so that a line inside another value is a path to it.
    if paths != _LINE_OF_PATH.findall(content):
        raise ArchiveError(_AMBIGUOUS)
    return paths[-1].decode(errors="replace") if paths else None


def _records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(content):
        space = content.index(b" ", at, at + _MOST_DIGITS)
        end = at + int(content[at:space])
        if not space < end <= len(content):
            raise ValueError("a record has another length than it says")
        keyword, _, value = content[space + 1 : end - 1].partition(b"=")
        yield keyword, value
        at = end
