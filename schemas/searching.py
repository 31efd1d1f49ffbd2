"""Searches and orders of lists: the words of a search by words, and the two directions."""

import re
from enum import StrEnum
from typing import Final

_QUOTED: Final = re.compile(r'(?<![^ ])"[^"]+"(?![^ ])')
"""Every other quote is an ordinary character, as in GitLab."""
_MOST_TERMS: Final = 50
"""Each is searched for in every name, so the cost of a search grows with their number."""


class Sort(StrEnum):
    """The direction of an order."""

    ASC = "asc"
    DESC = "desc"


def search_terms(text: str) -> list[str]:
    """Split a fuzzy search into terms, each once; text in double quotes, with blanks around, stays one term."""
    words = " ".join(text.split())
    quoted = [term[1:-1] for term in _QUOTED.findall(words)]
    return list(dict.fromkeys([*_QUOTED.sub("", words).split(), *quoted]))


def check_terms(text: str | None) -> str | None:
    """Return the text of a search.

    Raises:
        ValueError: it has too many words.
    """
    if text is not None and len(search_terms(text)) > _MOST_TERMS:
        raise ValueError(f"should be at most {_MOST_TERMS} different words")
    return text
