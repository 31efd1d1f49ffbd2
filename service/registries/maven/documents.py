"""XML that somebody sent, poms and metadata: read piece by piece, without entities, for a few texts in it."""

import asyncio
from collections.abc import Collection
from typing import Final
from xml.etree.ElementTree import ParseError, XMLParser

from service.refusals import ValidationFailedError

_DEEPEST: Final = 100
_LONGEST_TEXT: Final = 255
"""Characters of a text that are kept; the rest of a longer one is dropped."""
_MOST_TEXTS: Final = 10_000
_MOST_INLINE: Final = 16 * 1024
"""Bytes that are read where they come, in 2 ms at most. A pom seldom has more."""


class XmlReader:
    """Collects the texts of some elements while the bytes of a document come."""

    def __init__(self, what: str, *, root: str, wanted: Collection[str]) -> None:
        """Begin before the first byte.

        *what* names the document in refusals. *root* is the name that its first element must have. *wanted* are the
        elements whose texts are kept, as paths such as `project/version`; namespaces do not count.
        """
        self._what = what
        self._texts = _Texts(what, root, frozenset(wanted))
        # Entities are declared in a DOCTYPE, which the target refuses.
        self._parser = XMLParser(target=self._texts)  # noqa: S314

    async def feed(self, chunk: bytes) -> None:
        """Read the next bytes; many of them in a thread, since 4 MiB of empty elements take half a second.

        Raises:
            ValidationFailedError: the document is no XML, or has something that it should not have.
        """
        try:
            if len(chunk) > _MOST_INLINE:
                await asyncio.to_thread(self._parser.feed, chunk)
            else:
                self._parser.feed(chunk)
        except (ParseError, ValueError, LookupError):
            raise self._unreadable() from None

    def close(self) -> list[tuple[str, str]]:
        """End the document, and return path and text of each wanted element, in the order in which these ended.

        Raises:
            ValidationFailedError: the document is not complete.
        """
        try:
            self._parser.close()
        except (ParseError, ValueError, LookupError):
            raise self._unreadable() from None
        return self._texts.found

    def _unreadable(self) -> ValidationFailedError:
        return ValidationFailedError(f"{self._what} is no XML that can be read")


class _Texts:
    """The target of the parser; the names of its methods are those of `xml.etree.ElementTree`."""

    def __init__(self, what: str, root: str, wanted: frozenset[str]) -> None:
        self.found: list[tuple[str, str]] = []
        self._what = what
        self._root = root
        self._wanted = wanted
        self._path: list[str] = []
        self._text: list[str] = []

    def doctype(self, name: str, public_id: str | None, system: str | None) -> None:
        """Refuse a document that may declare entities."""
        del name, public_id, system
        raise ValidationFailedError(f"{self._what} should have no DOCTYPE")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Enter an element."""
        del attributes
        name = tag.rpartition("}")[2]
        if not self._path and name != self._root:
            raise ValidationFailedError(f"{self._what} should have the root element {self._root}")
        if len(self._path) == _DEEPEST:
            raise ValidationFailedError(f"{self._what} is nested too deeply (maximum is {_DEEPEST})")
        self._path.append(name)
        self._text = []

    def data(self, text: str) -> None:
        """Take a piece of text of the element that was entered last."""
        if sum(map(len, self._text)) < _LONGEST_TEXT:
            self._text.append(text[:_LONGEST_TEXT])

    def end(self, tag: str) -> None:
        """Leave an element."""
        del tag
        path = "/".join(self._path)
        if path in self._wanted:
            if len(self.found) == _MOST_TEXTS:
                raise ValidationFailedError(f"{self._what} has too many elements (maximum is {_MOST_TEXTS})")
            self.found.append((path, "".join(self._text)[:_LONGEST_TEXT].strip()))
        self._path.pop()
        self._text = []

    def close(self) -> None:
        """End; the texts were collected on the way."""
