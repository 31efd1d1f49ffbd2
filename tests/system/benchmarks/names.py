"""Names and versions as in life: few names with many versions, many with one, of every package type."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

RARE: Final = "quokka"
"""A word that few names have."""

_WORDS: Final = Path(__file__).with_name("words.txt").read_text(encoding="utf-8").split()
_PAIRS: Final = len(_WORDS) ** 2
_STEP: Final = 7_919
"""A prime: with it, each number of a project gives another pair of words."""

_TYPES: Final = (
    *("npm",) * 5,
    *("maven",) * 4,
    *("pypi",) * 3,
    *("generic",) * 3,
    *("conan", "nuget", "composer", "golang", "debian", "rubygems", "helm", "rpm", "ml_model", "cargo"),
)
TYPES: Final = (*_TYPES, "terraform_module")
VERSIONS: Final = tuple(
    f"{number // 60}.{number // 6 % 10}.{number % 6}" + ("-rc.1" if number % 11 == 10 else "")
    for number in range(3_000)
)


class Named(NamedTuple):
    """A package to be: its type, name, version, and whether it is the newest of that name."""

    package_type: str
    name: str
    version: str
    is_newest: bool


def packages_of(project_id: int, count: int, *, with_modules: bool = True) -> Iterator[Named]:
    """Give so many packages of a project, those of a name together."""
    types = TYPES if with_modules else _TYPES
    for number, versions in enumerate(_versions_of_names(count)):
        package_type = types[(number + project_id) % len(types)]
        name = _name(project_id, number, package_type)
        for place in range(versions):
            yield Named(package_type, name, VERSIONS[place], place == versions - 1)


def _versions_of_names(count: int) -> Iterator[int]:
    """Share *count* packages among a tenth as many names: the first has many versions, the last has one."""
    names = max(1, count // 10)
    weight = sum((number + 1) ** -0.8 for number in range(names))
    left = count
    for number in range(names):
        share = max(1, min(int(count * (number + 1) ** -0.8 / weight), len(VERSIONS), left - (names - number - 1)))
        left -= share
        yield share
    yield from (1 for _ in range(left))


def _name(project_id: int, number: int, package_type: str) -> str:
    pair = (number * _STEP + project_id * 104_729) % _PAIRS
    first, second = _WORDS[pair // len(_WORDS)], _WORDS[pair % len(_WORDS)]
    if project_id % 100 == 0 and number % 400 == 399:
        first = RARE
    match package_type:
        case "npm":
            return f"@acme/{first}-{second}"
        case "maven":
            return f"org/acme/{first}/{first}-{second}"
        case "composer" | "golang":
            return f"{first}/{second}"
        case _:
            return f"{first}-{second}"
