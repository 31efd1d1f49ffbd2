"""Counts words: finds sentences that are too long, and words that the house avoids.

`python -m tests.support.prose` checks all that a person reads: documents, docstrings, comments, and texts that the
programs print. Each finding is one line: file, line, rule and sentence.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from tests.support.prose_sources import Paragraph, paragraphs_of

ROOT: Final = Path(__file__).parents[2]
MOST_WORDS: Final = 25
"""The longest sentence that we write; most should have at most 20 words."""

AVOIDED: Final = (
    *("tell", "tells", "telling", "told", "stand", "stands", "stood", "standing"),
    *("look", "looks", "looked", "looking", "sight", "yard", "yards", "whoever", "doomed", "woken", "meanwhile"),
    *("at once", "so far as", "as far as", "in vain", "of no account"),
)
"""House words; the glossary names a plain word for each."""

_WITHOUT_TEXTS: Final = ("tests/", "service/infra/postgres/migrations/")
"""Literals there are data and statements, and no texts for a person."""
_WITH_YARDS: Final = ("tests/", "workers/stack/")
_YARDS: Final = frozenset({"avoided word 'yard'", "avoided word 'yards'"})
"""The stack of `packyard up`, and the running instances of tests, are yards."""
_UNREAD: Final = ("tests/deployment/golden/", "tests/support/filled", "requirements/", "tests/clients/requirements")
_READ: Final = frozenset({".md", ".py", ".sql", ".yaml", ".tpl", ".toml", ".sh"})
_READ_NAMES: Final = frozenset({"Makefile", "Dockerfile", "NOTES.txt"})
_AVOIDED: Final = re.compile(rf"\b(?:{'|'.join(AVOIDED)})\b", re.IGNORECASE)
_SUBJECT: Final = re.compile(r"(?:What|Who|Whoever|Whose)\b(?:\s+\S+){3}.*[^?]$", re.DOTALL)
_FRONTED: Final = re.compile(r"(?:Of|Below|Beside|Beyond) [^,.:]+, (?!and\b)", re.DOTALL)
_CODE: Final = re.compile(r"(`+).*?\1", re.DOTALL)
_LINK: Final = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKUP: Final = re.compile(r"[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}|<[^>\n]+>")
_ABBREVIATION: Final = re.compile(r"\b(e\.g|i\.e|etc|vs|no)\.", re.IGNORECASE)
_END: Final = re.compile(r"(?<=[.!?])[)\"'\u2019*_]*\s+|\s\u00b7\s|\n{2,}")
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


def check(files: Iterable[Path], root: Path = ROOT) -> list[Finding]:
    """Return what is wrong with *files* below *root*."""
    found: list[Finding] = []
    for file in files:
        name = str(file.relative_to(root))
        wrong = findings(paragraphs_of(file, has_texts=not name.startswith(_WITHOUT_TEXTS)), name)
        found += [one for one in wrong if not (name.startswith(_WITH_YARDS) and one.rule in _YARDS)]
    return found


def files_of(*places: str) -> list[Path]:
    """Return the files of the tree below *places* (all, if there are none) that a person reads."""
    git = subprocess.run(["git", "ls-files", "--", *places], cwd=ROOT, check=True, capture_output=True, text=True)
    names = [name for name in git.stdout.splitlines() if not name.startswith(_UNREAD)]
    files = [ROOT / name for name in names]
    return [file for file in files if (file.suffix in _READ or file.name in _READ_NAMES) and file.exists()]


def main(arguments: list[str] | None = None) -> int:
    """Print the findings; return 1 when there is one."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.prose", description=__doc__)
    parser.add_argument("places", nargs="*", metavar="PATH", help="check only what lies below PATH")
    files = files_of(*parser.parse_args(arguments).places)
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
    if is_prose and _FRONTED.match(sentence):
        yield "the subject does not come first"


def _plain(text: str) -> str:
    return _MARKUP.sub("", _LINK.sub(r"\1", text))


if __name__ == "__main__":
    sys.exit(main())
