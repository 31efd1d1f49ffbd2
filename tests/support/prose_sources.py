"""Where people read prose: Markdown, docstrings, comments of each language, and texts that a program prints."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

BEGIN_GENERATED: Final = "<!-- generated"
END_GENERATED: Final = "<!-- end of generated"
"""The text between these comments comes from the code, where it is checked."""

_ITEM: Final = re.compile(r"^\s*(?:[-*+]|\d{1,2}[.)])\s+")
_DIRECTIVE: Final = re.compile(
    r"(?:noqa(?:: [A-Z]+\d+(?:, ?[A-Z]+\d+)*)?|type: ignore\S*|pragma: \w+ ?\w*|yamllint .*)(?: - )?"
)
_STATEMENT: Final = re.compile(r"\b(?:SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|WHERE|CREATE|ALTER|GRANT|REVOKE)\b")
_WORDS: Final = re.compile(r"[A-Za-z][a-z']* (?:[A-Za-z0-9`-]+,? )+[A-Za-z]")
_TEMPLATE: Final = re.compile(r"\{\{-?(?!\s*-?/\*).*?\}\}", re.DOTALL)
_TEMPLATE_COMMENT: Final = re.compile(r"\{\{-?\s*/\*(.*?)\*/", re.DOTALL)
_ANNOTATION: Final = re.compile(r"^\s+(?:summary|description): (.*)$", re.MULTILINE)
_HELP: Final = re.compile(r"^[\w-]+:.*## (.*)$", re.MULTILINE)
_HASH: Final = re.compile(r"^\s*#+(?!!) ?(.*)$|\s#+ (.*)$")
_DASHES: Final = re.compile(r"^\s*--+ ?(.*)$|\s-- (.*)$")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Text that belongs together, and the line on which it begins."""

    line: int
    text: str
    is_prose: bool = True
    """Whether the length of its sentences counts; in a table or a heading only its words do."""


def paragraphs_of(file: Path, *, has_texts: bool = True) -> Iterator[Paragraph]:
    """Give what a person reads in *file*; of Python's string literals only if it *has_texts* for people."""
    text = file.read_text(encoding="utf-8")
    match file.suffix:
        case ".md":
            yield from paragraphs_of_markdown(text)
        case ".py":
            yield from _docstrings(text)
            yield from _blocks(_python_comments(text))
            if has_texts:
                yield from _texts(text)
        case ".sql":
            yield from _blocks(_comments(text, _DASHES))
        case ".txt":
            yield from paragraphs_of_markdown(_TEMPLATE.sub("x", text))
        case _:
            yield from _blocks(_comments(text, _HASH))
            yield from _matches(text, _TEMPLATE_COMMENT, _ANNOTATION, _HELP)


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


def _docstrings(source: str) -> Iterator[Paragraph]:
    """Give the paragraphs of all docstrings, those of attributes included."""
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield from _shifted(paragraphs_of_markdown(_without_sections(text)), statement.lineno - 1)
                case _:
                    pass


def _texts(source: str) -> Iterator[Paragraph]:
    """Give the string literals that read as prose: errors, help, descriptions of metrics."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Expr(value=ast.Constant()):
                continue  # a docstring
            case ast.Constant(value=str(text)):
                pass
            case ast.JoinedStr(values=parts):
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in parts)
            case _:
                waiting += ast.iter_child_nodes(node)
                continue
        if _WORDS.search(text) and not _STATEMENT.search(text):
            yield from _shifted(paragraphs_of_markdown(text), node.lineno - 1)


def _python_comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            text = _DIRECTIVE.sub("", token.string.lstrip("#! "), count=1)
            # A comment behind code is a paragraph by itself.
            yield (token.start[0] if token.line.lstrip().startswith("#") else -token.start[0]), text


def _comments(text: str, mark: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if (found := mark.search(line)) and "name: " not in line[:10]:
            yield (number, found[1]) if found[1] is not None else (-number, found[2])


def _blocks(lines: Iterable[tuple[int, str]]) -> Iterator[Paragraph]:
    """Join the lines of each block of comments; a negative number is a line that belongs to no block."""
    numbered = list(enumerate(lines))
    for _, group in groupby(numbered, key=lambda item: item[1][0] - item[0]):
        found = [line for _, line in group]
        if found[0][0] < 0:
            yield from (Paragraph(-number, text) for number, text in found)
        else:
            joined = "\n".join(text for _, text in found)
            yield from _shifted(paragraphs_of_markdown(joined), found[0][0] - 1)


def _matches(text: str, *patterns: re.Pattern[str]) -> Iterator[Paragraph]:
    for pattern in patterns:
        for found in pattern.finditer(text):
            yield Paragraph(text.count("\n", 0, found.start()) + 1, _TEMPLATE.sub("x", found[1]))


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
