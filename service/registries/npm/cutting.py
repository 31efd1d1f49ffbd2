"""Cutting the tarball out of the JSON that publishes it, as the bytes come: no more of it is in memory than a piece.

A parser of JSON would give the text of a tarball as one string, however large. This one follows only strings, brackets
and keys. It decodes the one string that is a tarball, and keeps all the rest for a real parser.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Final

from service.refusals import BadParametersError, UnservedError
from service.registries.npm.names import is_tarball

LARGEST_REST: Final = 1024 * 1024
"""Bytes of all but the tarball."""
_DEEPEST: Final = 64
_OUTSIDE: Final = re.compile(rb'["{}\[\]:,]')
_INSIDE: Final = re.compile(rb'["\\]')
_QUANTUM: Final = 4
"""Characters of base64 that are decoded together."""
_UNREADABLE: Final = "body should be the JSON that npm publishes"
_NO_BASE64: Final = "data of the attachment should be base64"


class _Place(Enum):
    """Where the next byte belongs."""

    OUTSIDE = auto()
    INSIDE = auto()
    """Inside a string."""
    ESCAPED = auto()
    """Behind the backslash of a string."""
    TARBALL = auto()


@dataclass(slots=True)
class _Level:
    """An object or a list around the next byte, with the key whose value is being read."""

    is_object: bool
    is_at_key: bool
    key: bytes = b""


class TarballCutter:
    """Takes the body of a publication in pieces, and gives the bytes of its tarball."""

    def __init__(self) -> None:
        """Begin before the first byte."""
        self.rest = bytearray()
        """The body with an empty string in place of the tarball."""
        self.file_name: str | None = None
        """The key of the attachment that is the tarball, once it has begun."""
        self._place = _Place.OUTSIDE
        self._levels: list[_Level] = []
        self._begin = 0
        self._text = b""
        self._is_padded = False

    @property
    def is_in_tarball(self) -> bool:
        """Whether the next byte belongs to the tarball."""
        return self._place is _Place.TARBALL

    def feed(self, piece: bytes) -> bytes:
        """Take the next piece of the body, and return the bytes of the tarball that are complete with it.

        Raises:
            BadParametersError: the body is no such JSON.
            UnservedError: it has too much beside the tarball.
        """
        return b"".join(self._read(piece))

    def _read(self, piece: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(piece):
            match self._place:
                case _Place.TARBALL:
                    end = piece.find(b'"', at)
                    stop = len(piece) if end < 0 else end
                    yield self._decode(piece[at:stop], is_last=end >= 0)
                    at = stop
                    if end >= 0:
                        self._place = _Place.INSIDE
                case _Place.ESCAPED:
                    at = self._keep(piece, at, at + 1)
                    self._place = _Place.INSIDE
                case _Place.INSIDE:
                    at = self._follow_string(piece, at)
                case _Place.OUTSIDE:
                    at = self._follow(piece, at)

    def _follow_string(self, piece: bytes, at: int) -> int:
        mark = _INSIDE.search(piece, at)
        if mark is None:
            return self._keep(piece, at, len(piece))
        at = self._keep(piece, at, mark.end())
        if mark[0] == b"\\":
            self._place = _Place.ESCAPED
            return at
        self._place = _Place.OUTSIDE
        if self._levels and self._levels[-1].is_at_key:
            self._levels[-1].key = bytes(self.rest[self._begin : -1])
        return at

    def _follow(self, piece: bytes, at: int) -> int:
        mark = _OUTSIDE.search(piece, at)
        if mark is None:
            return self._keep(piece, at, len(piece))
        at = self._keep(piece, at, mark.end())
        level = self._levels[-1] if self._levels else None
        match mark[0]:
            case b'"':
                self._begin = len(self.rest)
                self._place = _Place.TARBALL if self._is_tarball() else _Place.INSIDE
            case b"{" | b"[":
                self._open(is_object=mark[0] == b"{")
            case b"}" | b"]":
                self._close()
            case b":" if level:
                level.is_at_key = False
            case b"," if level:
                level.is_at_key = level.is_object
        return at

    def _open(self, *, is_object: bool) -> None:
        if len(self._levels) >= _DEEPEST:
            raise BadParametersError(_UNREADABLE)
        self._levels.append(_Level(is_object, is_at_key=is_object))

    def _close(self) -> None:
        if not self._levels:
            raise BadParametersError(_UNREADABLE)
        self._levels.pop()

    def _is_tarball(self) -> bool:
        match self._levels:
            case [
                _Level(key=b"_attachments"),
                _Level(key=name),
                _Level(key=b"data", is_at_key=False),
            ] if is_tarball(name.decode(errors="replace")):
                if self.file_name is not None:
                    raise BadParametersError("_attachments should have one tarball")
                self.file_name = name.decode(errors="replace").replace("\\/", "/")
                return True
        return False

    def _keep(self, piece: bytes, start: int, end: int) -> int:
        if len(self.rest) + end - start > LARGEST_REST:
            raise UnservedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self.rest += piece[start:end]
        return end

    def _decode(self, text: bytes, *, is_last: bool) -> bytes:
        # JSON may have a backslash before each slash, and a piece may end between the two.
        text = (self._text + text).replace(b"\\/", b"/")
        cut = len(text) if is_last else len(text) - len(text) % _QUANTUM
        if text[:cut].endswith(b"\\") and not is_last:
            cut -= _QUANTUM
        whole, self._text = text[:cut], text[cut:]
        if whole and self._is_padded:
            raise BadParametersError(_NO_BASE64)
        self._is_padded = self._is_padded or whole.endswith(b"=")
        try:
            return binascii.a2b_base64(whole, strict_mode=True)
        except binascii.Error:
            raise BadParametersError(_NO_BASE64) from None
