"""No regular expression of the tree takes more than linear time, whatever it is matched against."""

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from re import _constants as constants
from re import _parser as parser
from types import ModuleType
from typing import Any, Final, TypeAlias

import pytest

import schemas
import service
import workers
from service.app import ROUTES

_Use: TypeAlias = tuple[str, re.Pattern[str], str]
"""A place in the tree, the pattern there, and the method that is called."""
_ACTS: Final = {"fullmatch": "fullmatch", "match": "match"}
"""The method that is tried for each that the tree calls; all others search."""
_FUNCTIONS: Final = frozenset(
    f"re.{name}" for name in ("findall", "finditer", "fullmatch", "match", "search", "split", "sub", "subn")
)
_LONG: Final = 16 * 1024
_MEASURABLE_S: Final = 0.002
_QUADRATIC: Final = 10
"""Linear growth is 4, quadratic growth 16."""
_ENDS: Final = ("", "\x00", "\n", "!", '"', ":", ")")
_SAMPLES: Final = "a0Z_ \n-.,:;=/%\"'@(<[~!\u00e9"


def _modules() -> Iterator[ModuleType]:
    for root in (schemas, service, workers):
        yield root
        for found in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            if ".migrations." not in found.name and not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def _of_text(pattern: re.Pattern[Any]) -> re.Pattern[str]:
    """Return the same pattern for texts: one for bytes takes as long."""
    if isinstance(pattern.pattern, str):
        return pattern
    return re.compile(pattern.pattern.decode("latin-1"), pattern.flags | re.ASCII)


def _constants(module: ModuleType, source: str) -> Iterator[_Use]:
    for name, value in vars(module).items():
        if isinstance(value, re.Pattern):
            for method in sorted(set(re.findall(rf"\b{name}\.(\w+)\(", source))):
                yield f"{module.__name__}.{name}", _of_text(value), method


def _arguments(module: ModuleType, source: str) -> Iterator[_Use]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _FUNCTIONS:
            pattern = node.args[0]
            if isinstance(pattern, ast.Constant) and isinstance(pattern.value, str):
                yield f"{module.__name__}:{node.lineno}", re.compile(pattern.value), ast.unparse(node.func)[3:]


def _parts_of_paths() -> Iterator[_Use]:
    for operation in (operation for routes in ROUTES for operation in routes.operations):
        rules = [*operation.path_rules.values(), *re.findall(r"\{\w+:([^{}]*)\}", operation.path)]
        for rule in dict.fromkeys(rules):
            yield operation.path, re.compile(rule), "fullmatch"


def _uses() -> Iterator[_Use]:
    for module in _modules():
        source = Path(module.__file__ or "").read_text(encoding="utf-8")
        yield from _constants(module, source)
        yield from _arguments(module, source)
    yield from _parts_of_paths()


def _patterns() -> list[Any]:
    found = {(pattern, _ACTS.get(method, "search")): place for place, pattern, method in _uses()}
    return [pytest.param(getattr(*use), use[0], id=f"{place} {use[1]}") for use, place in found.items()]


def _attacks(pattern: re.Pattern[str]) -> Iterator[tuple[str, str, str]]:
    """Give a beginning that matches up to each unbounded repetition, what it repeats, and an end that fails."""
    yield from (("", sample, end) for sample in _SAMPLES for end in _ENDS)
    for before, repeated in _repetitions(parser.parse(pattern.pattern, pattern.flags), ""):
        for unit in repeated:
            yield from ((before, unit, end) for end in _ENDS)
        yield "", before + "".join(repeated[:1]), "\x00"


def _repetitions(items: Sequence[Any], before: str) -> Iterator[tuple[str, list[str]]]:
    for operator, argument in items:
        if operator in {constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT}:
            yield before, _units(argument[2])
            yield from _repetitions(argument[2], before)
        elif operator is constants.SUBPATTERN:
            yield from _repetitions(argument[3], before)
        elif operator is constants.BRANCH:
            for branch in argument[1]:
                yield from _repetitions(branch, before)
        before += _example([(operator, argument)])


def _units(items: Sequence[Any]) -> list[str]:
    """Return what one round of a repetition may be: every sample that its one class has, or else an example."""
    if len(items) == 1 and items[0][0] in {constants.IN, constants.ANY, constants.NOT_LITERAL}:
        return [sample for sample in _SAMPLES if _matches(items[0], sample)] or [_example(items)]
    return [_example(items)]


def _example(items: Sequence[Any]) -> str:
    """Return a short text that the parsed pattern matches, assertions left aside."""
    text = ""
    for operator, argument in items:
        if operator is constants.LITERAL:
            text += chr(argument)
        elif operator in {constants.IN, constants.ANY, constants.NOT_LITERAL}:
            candidates = [*_SAMPLES, *map(chr, range(127))]
            text += next(each for each in candidates if _matches((operator, argument), each))
        elif operator in {constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT}:
            text += _example(argument[2]) * max(argument[0], 1)
        elif operator is constants.SUBPATTERN:
            text += _example(argument[3])
        elif operator is constants.BRANCH:
            text += _example(argument[1][0])
    return text


def _matches(item: tuple[Any, Any], character: str) -> bool:
    state = parser.State()
    state.str = ""
    parsed = parser.SubPattern(state, [item])
    return re._compiler.compile(parsed).fullmatch(character) is not None  # type: ignore[attr-defined]


def _seconds(act: Callable[[str], object], text: str) -> float:
    # Processor time of this thread: what else runs on the machine does not count.
    began = time.thread_time()
    act(text)
    return time.thread_time() - began


def _grows(act: Callable[[str], object], before: str, unit: str, end: str) -> float:
    """Return by what factor the time grows with four times the text; 0 where it is too short to be measured."""
    rounds = _LONG // len(unit)
    if _seconds(act, before + unit * rounds + end) < _MEASURABLE_S:
        return 0
    short, long = (min(_seconds(act, before + unit * count + end) for _ in range(3)) for count in (rounds // 4, rounds))
    return long / short


@pytest.mark.parametrize(("act", "pattern"), _patterns())
def test_four_times_the_text_takes_about_four_times_as_long(
    act: Callable[[str], object], pattern: re.Pattern[str]
) -> None:
    for before, unit, end in _attacks(pattern):
        assert _grows(act, before, unit, end) < _QUADRATIC, (before, unit, end)
