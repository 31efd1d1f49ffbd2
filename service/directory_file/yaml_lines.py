"""YAML that knows its lines: mappings, lists and text, each with its line.

The contract decides whether a text is a number, a date or a truth value. A name such as `007` or a commit such as
`12e4567` therefore stays as it was written.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from schemas.problems import Location, Problem
from service.errors import PackyardError

_NOTHING: Final = frozenset({"", "~", "null", "Null", "NULL"})
_STANDARD_TAG: Final = re.compile(r"tag:yaml\.org,2002:[a-z]+")
_FORBIDDEN: Final = re.compile("[\0\ud800-\udfff]")
_TOO_DEEP: Final = 50


class YamlError(PackyardError):
    """The text is not YAML, or YAML that is refused; each problem has its line."""

    def __init__(self, *problems: tuple[int, Problem]) -> None:
        """Keep each problem with its line."""
        super().__init__("; ".join(f"line {line}: {problem.sentence()}" for line, problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Document:
    """The data of a YAML document, and the line of each part."""

    data: object
    _root: Node | None

    def line(self, location: Location) -> int:
        """Return the line of the data at *location*, or of the nearest data around it."""
        node, line = self._root, 1 if self._root is None else _line(self._root)
        for part in location:
            children = {} if node is None else _children(node)
            if part not in children:
                break
            line, node = children[part]
        return line


def read_yaml(text: str) -> Document:
    """Read one document of mappings, lists and text.

    Raises:
        YamlError: it is not YAML, or has a key twice, an alias, a tag of its own, or a second document.
    """
    try:
        root: Node | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise YamlError((line, Problem((), f"not YAML: {_reason(error)}"))) from None
    except YAMLError:
        raise YamlError((_odd_line(text), Problem((), "not YAML: a character that is not allowed"))) from None
    except RecursionError:
        raise YamlError((1, Problem((), "nested too deeply"))) from None
    reader = _Reader()
    data = None if root is None else reader.read(root, ())
    if reader.problems:
        raise YamlError(*reader.problems)
    return Document(data, root)


@dataclass(slots=True)
class _Reader:
    """Turns nodes into data and notes what it must refuse."""

    problems: list[tuple[int, Problem]] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    def read(self, node: Node, location: Location, *, around: int = 1) -> object:
        if rule := self._refusal(node, location):
            # An alias is the same node as its target, so its own line is not known.
            line = around if id(node) in self.seen else _line(node)
            self.problems.append((line, Problem(location, rule)))
            return None
        self.seen.add(id(node))
        if isinstance(node, ScalarNode):
            return None if node.style is None and node.value in _NOTHING else str(node.value)
        if isinstance(node, MappingNode):
            return self._read_mapping(node, location)
        return [
            self.read(child, (*location, position), around=_line(node)) for position, child in enumerate(node.value)
        ]

    def _read_mapping(self, node: MappingNode, location: Location) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, value in node.value:
            name = self._key(key, location)
            if name in values:
                self.problems.append((_line(key), Problem((*location, name), "the key is here twice")))
            values[name] = self.read(value, (*location, name), around=_line(key))
        return values

    def _key(self, node: Node, location: Location) -> str:
        if isinstance(node, ScalarNode) and id(node) not in self.seen:
            self.seen.add(id(node))
            return str(node.value)
        self.problems.append((_line(node), Problem(location, "a key should be text")))
        return ""

    def _refusal(self, node: Node, location: Location) -> str | None:
        # A node that comes twice is an alias; a few of them can expand to gigabytes.
        rules = {
            "aliases are not allowed": id(node) in self.seen,
            "tags are not allowed": not _STANDARD_TAG.fullmatch(str(node.tag)),
            "nested too deeply": len(location) > _TOO_DEEP,
            "holds a character that is not allowed": _FORBIDDEN.search(str(node.value))
            if isinstance(node, ScalarNode)
            else False,
        }
        return next((rule for rule, broken in rules.items() if broken), None)


def _children(node: Node) -> dict[int | str, tuple[int, Node]]:
    if isinstance(node, ScalarNode):
        return {}
    if isinstance(node, MappingNode):
        return {str(key.value): (_line(key), value) for key, value in node.value}
    return {position: (_line(child), child) for position, child in enumerate(node.value)}


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _reason(error: MarkedYAMLError) -> str:
    # An alias repeats what was written, which may be a token that begins with an asterisk.
    return "an unknown alias" if "alias" in str(error.problem) else str(error.problem).replace("\n", " ")


def _odd_line(text: str) -> int:
    position = next((i for i, c in enumerate(text) if not (c.isprintable() or c in "\t\r\n\x85\ufeff")), 0)
    return text.count("\n", 0, position) + 1
