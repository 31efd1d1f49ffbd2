"""Outputs that a page shows below its commands, and whether the real ones are like them.

Ids, moments, addresses, ports and sums differ with each run, so they are masked on both sides. A block of JSON has to
be the whole answer, unless the sentence before it says that it is shortened. A block of text has lines of the output,
in their order; an ellipsis in a line is any text.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

FENCED: Final = re.compile(r"^( *)```(\w*)(?: ([\w.-]+))?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
IN_CLUSTER: Final = "in-a-cluster"
"""The name of a block whose lines take a cluster: `make cluster-check ONLY=guide` pastes them."""

_MASKS: Final = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"[0-9a-f]{8}-…", "ID"),
    (r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)?", "MOMENT"),
    (r"http://127\.0\.0\.1:\d+", "ADDRESS"),
    (r"(?<=packages/)\d+|(?<=\(pypi, )\d+|(?<=\(maven, )\d+", "N"),
    (r"\d+ (?=objects,|files$)", "N "),
    (r"\d+(,\d{3})+", "N"),
)
_VARYING: Final = frozenset({"id", "creator_id", "last_downloaded_at", "sequence"})
"""Fields whose numbers differ with each run."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An output on a page, and the lines of the block of commands above it."""

    line: int
    language: str
    text: str
    is_shortened: bool
    commands: range


def shown_outputs(page: str) -> Iterator[Shown]:
    """Give each block of text or JSON that comes after a block of shell, before any other."""
    commands = range(0)
    end = 0
    for block in FENCED.finditer(page):
        line = page.count("\n", 0, block.start(4)) + 1
        language, text = block[2], block[4]
        if language == "sh":
            commands = range(line, line + text.count("\n"))
        elif language in {"text", "json"} and commands and not block[3]:
            yield Shown(line, language, text, "shortened" in page[end : block.start()], commands)
            commands = range(0)
        else:
            commands = range(0)
        end = block.end()


def is_like(shown: Shown, output: str) -> bool:
    """Return whether *output* is what a page shows."""
    if shown.language == "json":
        answers = [line for line in output.splitlines() if line.startswith(("{", "["))]
        real, said = json.loads(answers[0]) if answers else None, json.loads(shown.text)
        return _holds(said, real) if shown.is_shortened else _same(said, real)
    lines = iter([_masked(line).strip() for line in output.splitlines()])
    return all(any(_matches(_masked(line).strip(), real) for real in lines) for line in shown.text.splitlines())


def _matches(said: str, real: str) -> bool:
    return bool(re.fullmatch(".*".join(map(re.escape, said.split("…"))), real))


def _masked(text: str) -> str:
    for pattern, name in _MASKS:
        text = re.sub(pattern, name, text)
    return text


def _same(said: Any, real: Any) -> bool:
    return bool(_normal(said) == _normal(real))


def _holds(said: Any, real: Any) -> bool:
    if isinstance(said, dict):
        return isinstance(real, dict) and all(
            name in real and (name in _VARYING or _holds(value, real[name])) for name, value in said.items()
        )
    return _same(said, real)


def _normal(value: Any) -> Any:
    match value:
        case dict():
            return {name: "VARYING" if name in _VARYING else _normal(part) for name, part in value.items()}
        case list():
            return [_normal(part) for part in value]
        case str():
            return _masked(value)
        case _:
            return value
