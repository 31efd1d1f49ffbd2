"""The generated parts of `docs/`: made from the code. `python -m tests.support.reference` writes them anew.

A generated part begins with `<!-- generated: NAME, … -->` and ends with `<!-- end of generated -->`. The text around
it is written by hand.
"""

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from schemas.statuses import DELETION_MOVES, FILE_MOVES, PACKAGE_MOVES
from service.configuration.printed_values import printed
from service.settings import Settings
from tests.support.paths import ROOT
from tests.support.reference_commands import commands
from tests.support.reference_events import events
from tests.support.reference_http import http
from tests.support.reference_metrics import metrics
from tests.support.tables import table

DOCS: Final = ROOT / "docs"

_ROOTS: Final = ("schemas", "service", "workers")
_PART: Final = re.compile(r"(<!-- generated: ([\w-]+), [^\n]*-->\n).*?(<!-- end of generated -->\n)", re.DOTALL)
_State = TypeVar("_State", bound=str)


def settings() -> str:
    """Return the table of settings."""
    return table(
        ("setting", "default", "meaning"),
        (
            (f"`{name.upper()}`", "" if field.is_required() else f"`{printed(field.default)}`", field.description or "")
            for name, field in Settings.model_fields.items()
        ),
    )


def diagram(moves: Mapping[_State, Iterable[_State]]) -> str:
    """Return a state diagram of a table of moves, in the order of the table."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {next(iter(moves))}"]
    for source, targets in moves.items():
        reached = set(targets)
        lines += [f"    {source} --> {target}" for target in moves if target in reached]
        if not reached:
            lines.append(f"    {source} --> [*]")
    return "\n".join([*lines, "```"])


def folders() -> str:
    """Return the table of packages, with the first line of what each says of itself."""
    packages = sorted(found for root in _ROOTS for found in (ROOT / root).rglob("__init__.py"))
    texts = ((package, _first_line(package)) for package in packages)
    return table(
        ("folder", "contents"), ((f"`{package.parent.relative_to(ROOT)}`", text) for package, text in texts if text)
    )


def modules() -> str:
    """Return the table of modules beside the folders, with the first line of each."""
    found = sorted(file for root in ("service", "workers") for file in (ROOT / root).glob("[!_]*.py"))
    return table(("module", "contents"), ((f"`{file.relative_to(ROOT)}`", _first_line(file)) for file in found))


def _first_line(file: Path) -> str:
    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").partition("\n")[0]


PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "settings": settings,
    "commands": commands,
    "metrics": metrics,
    "events": events,
    "http": http,
    "folders": folders,
    "modules": modules,
    "deletion-moves": lambda: diagram(DELETION_MOVES),
    "package-moves": lambda: diagram(PACKAGE_MOVES),
    "file-moves": lambda: diagram(FILE_MOVES),
}
"""Name of a generated part -> its text."""


def with_parts(text: str) -> str:
    """Return a page with every generated part as the code has it now."""
    return _PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]]().strip()}\n\n{part[3]}", text)


def parts_of(text: str) -> list[str]:
    """Return the names of the generated parts of a page."""
    return [name for _, name, _ in _PART.findall(text)]


def _write_anew() -> None:
    for page in DOCS.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        if parts_of(text):
            page.write_text(with_parts(text), encoding="utf-8")


if __name__ == "__main__":
    _write_anew()
