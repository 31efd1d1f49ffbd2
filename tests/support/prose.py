"""Counts words: finds sentences that are too long, and words that the house avoids.

`python -m tests.support.prose` checks the documents. With `--docstrings PATH...` it checks the docstrings of that
Python source instead. Each finding is one line: file, line, rule and sentence.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from tests.support.paths import ROOT

MOST_WORDS: Final = 25
"""The longest sentence that we write; most should have at most 20 words."""

AVOIDED: Final = (
    *("tell", "tells", "telling", "told", "stand", "stands", "stood", "standing"),
    *("look", "looks", "looked", "looking", "sight", "yard", "yards", "whoever", "doomed", "woken", "meanwhile"),
    *("at once", "so far as"),
)
"""House words; the glossary names a plain word for each."""

BEGIN_GENERATED: Final = "<!-- generated"
END_GENERATED: Final = "<!-- end of generated"
"""The text between these comments comes from the code, where its docstrings are checked."""

_DOCUMENTS: Final = ("README.md", "tests/README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/**/*.md")
_AVOIDED: Final = re.compile(rf"\b(?:{'|'.join(AVOIDED)})\b", re.IGNORECASE)
_SUBJECT: Final = re.compile(r"(?:What|Who|Whoever|Whose)\b(?:\s+\S+){3}.*[^?]$", re.DOTALL)
_CODE: Final = re.compile(r"(`+).*?\1", re.DOTALL)
_LINK: Final = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKUP: Final = re.compile(r"[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}|<[^>\n]+>")
_ABBREVIATION: Final = re.compile(r"\b(e\.g|i\.e|etc|vs|no)\.", re.IGNORECASE)
_END: Final = re.compile(r"(?<=[.!?])[)\"'\u2019*_]*\s+|\s\u00b7\s|\n{2,}")
_ITEM: Final = re.compile(r"^\s*(?:[-*+]|\d{1,2}[.)])\s+")
_WORD: Final = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence that breaks a rule; *place* is `file:line`."""

    place: str
    rule: str
    sentence: str

    @override
    def __str__(self) -> str:
        """Return the line that is printed."""
        return f"{self.place}: {self.rule}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text that belongs together, and the line on which it begins."""

    line: int
    text: str
    is_prose: bool = True
    """Whether the length of its sentences counts; in a table or a heading only its words do."""


def findings(paragraphs: Iterable[Paragraph], file: str) -> Iterator[Finding]:
    """Give each broken rule of *paragraphs*."""
    for paragraph in paragraphs:
        text = _CODE.sub(lambda code: "C" + "\n" * code[0].count("\n"), paragraph.text)
        line = paragraph.line
        for sentence, lines in _sentences(text):
            plain = " ".join(_plain(sentence).split())
            for rule in _broken_rules(plain, is_prose=paragraph.is_prose):
                yield Finding(f"{file}:{line}", rule, plain)
            line += lines


def paragraphs_of_markdown(text: str) -> Iterator[Paragraph]:
    """Give the paragraphs, list items, table rows and headings outside of code and generated parts."""
    gathered: list[str] = []
    begin, fence, is_generated = 1, "", False
    for number, line in enumerate([*text.splitlines(), ""], 1):
        stripped = line.strip().lstrip("> ")
        is_generated = stripped.startswith(BEGIN_GENERATED) or (is_generated and END_GENERATED not in stripped)
        is_code, fence = bool(fence), _fence_after(stripped, fence)
        is_skipped = is_generated or is_code or bool(fence) or stripped.startswith(("<!--", "[^"))
        is_single = stripped.startswith(("|", "#"))
        if gathered and (not stripped or is_skipped or is_single or _ITEM.match(line)):
            yield Paragraph(begin, "\n".join(gathered))
            gathered = []
        if is_single and not is_skipped:
            yield Paragraph(number, stripped, is_prose=False)
        elif stripped and not is_skipped:
            begin = begin if gathered else number
            gathered.append(_ITEM.sub("", line, count=1))


def paragraphs_of_python(source: str) -> Iterator[Paragraph]:
    """Give the paragraphs of all docstrings, those of attributes included."""
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield from _shifted(paragraphs_of_markdown(_without_sections(text)), statement.lineno - 1)
                case _:
                    pass


def check(files: Iterable[Path], root: Path = ROOT) -> list[Finding]:
    """Return what is wrong with *files*, Markdown or Python."""
    found: list[Finding] = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        paragraphs = paragraphs_of_python(text) if file.suffix == ".py" else paragraphs_of_markdown(text)
        found += findings(paragraphs, str(file.relative_to(root)))
    return found


def documents(root: Path = ROOT) -> list[Path]:
    """Return the documents that are checked."""
    return sorted(file for pattern in _DOCUMENTS for file in root.glob(pattern))


def main(arguments: list[str] | None = None) -> int:
    """Print the findings; return 1 when there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.prose", description=__doc__)
    parser.add_argument("--docstrings", nargs="+", type=Path, metavar="PATH", help="check the docstrings below PATH")
    options = parser.parse_args(arguments)
    files = documents()
    if options.docstrings:
        places = [place.resolve() for place in options.docstrings]
        files = [file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("*.py")))]
    found = check(files)
    for finding in found:
        sys.stdout.write(f"{finding}\n")
    sys.stdout.write(f"{len(found)} findings in {len(files)} files\n")
    return int(bool(found))


def _sentences(text: str) -> Iterator[tuple[str, int]]:
    """Give each sentence, and how many line breaks there are until the next one."""
    text = _ABBREVIATION.sub(lambda word: word[0].replace(".", "\u2024"), text)
    begin = 0
    for end in _END.finditer(text):
        yield text[begin : end.start()], text.count("\n", begin, end.end())
        begin = end.end()
    yield text[begin:], 0


def _broken_rules(sentence: str, *, is_prose: bool) -> Iterator[str]:
    words = sum(bool(_WORD.search(word)) for word in sentence.split())
    if is_prose and words > MOST_WORDS:
        yield f"{words} words"
    for avoided in dict.fromkeys(word.lower() for word in _AVOIDED.findall(sentence)):
        yield f"avoided word {avoided!r}"
    if is_prose and _SUBJECT.match(sentence):
        yield "a subject without a noun"


def _plain(text: str) -> str:
    return _MARKUP.sub("", _LINK.sub(r"\1", text))


def _fence_after(line: str, fence: str) -> str:
    """Return the fence that is open after *line*; empty outside of code."""
    if fence:
        return "" if line.startswith(fence) and not line.strip("`~") else fence
    opened = re.match(r"`{3,}|~{3,}", line)
    return opened[0] if opened else ""


def _without_sections(text: str) -> str:
    """Part `Raises:` and the likes, and each entry below, from what goes before."""
    return re.sub(r"\n(?= *(?:Raises:|[A-Z]\w+Error: ))", "\n\n", text).replace("Raises:\n", "\n")


def _shifted(paragraphs: Iterable[Paragraph], lines: int) -> Iterator[Paragraph]:
    for paragraph in paragraphs:
        yield Paragraph(paragraph.line + lines, paragraph.text, is_prose=paragraph.is_prose)


if __name__ == "__main__":
    sys.exit(main())
