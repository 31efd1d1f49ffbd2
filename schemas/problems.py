"""Problems in a document that somebody wrote: where each is, and which rule it breaks."""

import re
from collections.abc import Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from pydantic import ValidationError

Location: TypeAlias = tuple[int | str, ...]
"""The keys and positions that lead to a value."""

_RULES: Final = MappingProxyType(
    {
        "extra_forbidden": "unknown key",
        "missing": "is missing",
        "tuple_type": "should be a list",
        "dict_type": "should be a mapping",
        "model_type": "should be a mapping",
        "string_type": "should be text",
        "enum": "should be {expected}",
        "too_short": "should not be empty",
        "too_long": "should have at most {max_length} elements",
    }
)

_WORD: Final = re.compile(r"[A-Za-z_]{1,40}\d?")


class Problem(NamedTuple):
    """One broken rule and the place at which it is broken."""

    location: Location
    rule: str

    def sentence(self) -> str:
        """Write the place as people do, then the rule."""
        place = written(self.location)
        return f"{place}: {self.rule}" if place else self.rule


def problems_of(error: ValidationError) -> list[Problem]:
    """Return what a contract found, in the project's words, without any value: some are secret."""
    problems = error.errors(include_input=False, include_url=False)
    around = {found["loc"][:end] for found in problems for end in range(len(found["loc"]))}
    return [
        Problem(
            tuple(part for part in found["loc"] if part != "[key]"),
            _rule(found["type"], found["msg"], found.get("ctx", {})),
        )
        for found in problems
        # Pydantic counts only the right elements of a list, so it also calls one of wrong elements too short.
        if found["type"] != "too_short" or found["loc"] not in around
    ]


def written(location: Sequence[int | str]) -> str:
    """Write a place: `users[0].tokens[1].name`."""
    return "".join(map(_step, ("", *location), location)).removeprefix(".")


def _step(before: int | str, part: int | str) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    # An unknown word may be a token whose colon was forgotten.
    is_word = before == "members" or _WORD.fullmatch(part)
    return f".{part}" if is_word else ".…"


def _rule(kind: str, text: str, context: dict[str, object]) -> str:
    if kind in _RULES:
        return _RULES[kind].format_map(context)
    text = text.removeprefix("Value error, ").removeprefix("Input ").removeprefix("String ")
    return text[:1].lower() + text[1:]
