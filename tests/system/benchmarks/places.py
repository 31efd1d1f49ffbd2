"""The projects and groups of a catalogue: one long list, a group of fifty, and thousands of small ones in a tree."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

LISTED: Final = 100
"""The public project whose list is measured; a maintainer is the user of MAINTAINER."""
LISTED_PATH: Final = "acme/open"
LISTED_PACKAGES: Final = 10_000
DELETABLE: Final = 101
"""The public project whose packages are deleted; it has none at first."""
DELETABLE_PATH: Final = "acme/deletable"

MAINTAINER: Final = "maintainer-token"
"""The token of a user who is a maintainer of every group."""
REPORTER: Final = "reporter-token"
"""The token of a user who is a member of every second private project of TREE."""
MARY: Final = 3
RITA: Final = 5
TOKENS: Final = MappingProxyType({MARY: MAINTAINER, RITA: REPORTER})

FIFTY: Final = 1_000
FIFTY_PATH: Final = "acme/fifty"
TREE: Final = 2_000
TREE_PATH: Final = "tree"
_FIFTY_PROJECTS: Final = 50
_BRANCHES: Final = 20
_TWIGS: Final = 5
_TREE_PROJECTS: Final = 2_000
_FIRST_OF_FIFTY: Final = 10_001
_FIRST_OF_TREE: Final = 20_001
_ACME: Final = 10


@dataclass(frozen=True, slots=True)
class Group:
    """A group: ancestry ends with its own id."""

    ancestry: tuple[int, ...]
    path: str

    @property
    def id(self) -> int:
        """Its number."""
        return self.ancestry[-1]


@dataclass(frozen=True, slots=True)
class Project:
    """A project and how many packages it has."""

    id: int
    group_id: int
    path: str
    packages: int
    is_private: bool = False


def groups() -> Iterator[Group]:
    """Give all groups, each after its parent."""
    yield Group((_ACME,), "acme")
    yield Group((_ACME, FIFTY), FIFTY_PATH)
    yield Group((TREE,), TREE_PATH)
    for branch in range(_BRANCHES):
        above = (TREE, TREE + 1 + branch)
        yield Group(above, f"{TREE_PATH}/branch-{branch}")
        for twig in range(_TWIGS):
            number = TREE + 100 + branch * _TWIGS + twig
            yield Group((*above, number), f"{TREE_PATH}/branch-{branch}/twig-{twig}")


def projects(size: int) -> Iterator[Project]:
    """Give the projects of a catalogue of *size* packages."""
    yield Project(LISTED, _ACME, LISTED_PATH, LISTED_PACKAGES)
    yield Project(DELETABLE, _ACME, DELETABLE_PATH, 0)
    rest = size - LISTED_PACKAGES
    for number in range(_FIFTY_PROJECTS):
        share = _share(rest // 2, _FIFTY_PROJECTS, number)
        yield Project(_FIRST_OF_FIFTY + number, FIFTY, f"{FIFTY_PATH}/project-{number}", share)
    twigs = [group for group in groups() if group.ancestry[0] == TREE and len(group.ancestry) == 3]
    for number in range(_TREE_PROJECTS):
        twig = twigs[number % len(twigs)]
        share = _share(rest - rest // 2, _TREE_PROJECTS, number)
        yield Project(_FIRST_OF_TREE + number, twig.id, f"{twig.path}/project-{number}", share, bool(number % 2))


def members() -> Iterator[tuple[int, int | None, int | None, int]]:
    """Give the memberships: user, group, project, level."""
    yield MARY, _ACME, None, 40
    yield MARY, TREE, None, 40
    for number in range(1, _TREE_PROJECTS, 4):
        yield RITA, None, _FIRST_OF_TREE + number, 20


def _share(count: int, parts: int, number: int) -> int:
    return count // parts + (1 if number < count % parts else 0)
