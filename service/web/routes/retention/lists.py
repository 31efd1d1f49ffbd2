"""Lists of packages on pages of retention: the part that an address asks for, and what leads to the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from service.retention.planning import ListWish
from service.web.parameters import with_parameters

_ON_A_PAGE: Final = 50
_LARGEST: Final = 2**63
_DIGITS: Final = len(str(_LARGEST))


@dataclass(frozen=True, slots=True)
class FateTab:
    """One fate of packages, and the address of the list of those that have it; None: all."""

    fate: str | None
    address: str
    is_current: bool


def read_wish(request: web.Request, fates: Sequence[str]) -> ListWish:
    """Return the part of the list that the address asks for; a wrong word counts as none."""
    fate = request.query.get("fate")
    project, _, package = request.query.get("after", "").partition(".")
    return ListWish(
        verdict=fate if fate in fates else None, after=(_number(project), _number(package)), limit=_ON_A_PAGE
    )


def fate_tabs(request: web.Request, fates: Sequence[str]) -> list[FateTab]:
    """Return what leads to the packages with each fate."""
    current = read_wish(request, fates).verdict
    return [
        FateTab(fate, with_parameters(request, fate=fate, after=None), is_current=fate == current)
        for fate in (None, *fates)
    ]


def first_address(request: web.Request) -> str | None:
    """Return where the list begins, if this is not its beginning."""
    return with_parameters(request, after=None) if request.query.get("after") else None


def next_address(request: web.Request, keys: Sequence[tuple[int, int]]) -> str | None:
    """Return the address of the next page, behind the last of these projects and packages."""
    if len(keys) < _ON_A_PAGE:
        return None
    project, package = keys[-1]
    return with_parameters(request, after=f"{project}.{package}")


def read_id(text: str) -> int | None:
    """Return a number that a row may have; None for anything else."""
    return _number(text) or None


def _number(text: str) -> int:
    number = int(text) if text.isdecimal() and len(text) <= _DIGITS else 0
    return number if number < _LARGEST else 0
