"""HTTP parameters that several features share: how they are read, pages and searches."""

import re
from types import MappingProxyType
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from schemas.base import Query
from schemas.searching import check_terms

MAX_PER_PAGE: Final = 100
DEFAULT_PER_PAGE: Final = 20
_FURTHEST: Final = 2**62
"""An offset that no list reaches, and that PostgreSQL still adds to."""
_TRUE: Final = ("1", "on", "On", "ON", "t", "true", "True", "TRUE", "T", "y", "yes", "Yes", "YES", "Y")
_FALSE: Final = ("0", "off", "Off", "OFF", "f", "false", "False", "FALSE", "F", "n", "no", "No", "NO", "N")
FLAGS: Final = MappingProxyType({**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)})
"""The texts that GitLab's API reads as a boolean."""
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,1000}")


def blank_is_unset(default: object) -> BeforeValidator:
    """Return what reads a blank value as one that was left out."""
    return BeforeValidator(lambda value: default if value in ("", None) else value)


def read_integer(value: object) -> object:
    """Read a text that is a whole number; anything else is left for the validator to judge.

    Raises:
        ValueError: it is a text, and no number: not all that Python takes for one is one to clients (1.0, 1_0).
    """
    if not isinstance(value, str):
        return value
    if not _INTEGER.fullmatch(value):
        raise ValueError("should be a whole number")
    return int(value)


def _read_flag(value: object) -> object:
    if isinstance(value, str) and value not in FLAGS:
        raise ValueError("should be true or false")
    return FLAGS[value] if isinstance(value, str) else value


def _read_page(value: int) -> int:
    return max(value, 1)


def _read_per_page(value: int) -> int:
    if value == 0:
        raise PydanticCustomError("excluded_value", "should not be 0")
    return DEFAULT_PER_PAGE if value < 0 else min(value, MAX_PER_PAGE)


Integer = Annotated[int, BeforeValidator(read_integer)]
PageNumber = Annotated[Integer, blank_is_unset(1), AfterValidator(_read_page)]
"""From 1 on; what is below counts as 1, as in GitLab 14."""
PerPage = Annotated[
    Integer,
    blank_is_unset(DEFAULT_PER_PAGE),
    AfterValidator(_read_per_page),
    WithJsonSchema({"type": "integer", "not": {"const": 0}}),
]
"""1 to 100; more counts as 100, less than 0 as the default, as in GitLab 14."""
Flag = Annotated[bool, BeforeValidator(_read_flag), blank_is_unset(default=False)]
"""true, 1, false and 0 in the forms that GitLab takes; blank is not set."""
OptionalText = Annotated[str | None, blank_is_unset(None)]
Search = Annotated[OptionalText, AfterValidator(check_terms)]
"""Terms that must all be found; those in double quotes stay together."""


class Paging(Query):
    """Which part of a list is wanted."""

    page: PageNumber = 1
    """Which page, from 1 on."""
    per_page: PerPage = DEFAULT_PER_PAGE
    """How many on a page: 20 by default, at most 100."""

    @property
    def offset(self) -> int:
        """How many elements come before the page; of a page beyond every list, some number beyond every list."""
        return min((self.page - 1) * self.per_page, _FURTHEST)


class KeysetPaging(Paging):
    """Paging by cursor: as quick on the last page as on the first.

    GitLab has no keyset paging here. It therefore changes only the link to the next page: without a cursor, the
    answer is the first page, and page numbers keep working.
    """

    beyond_gitlab: ClassVar[frozenset[str]] = frozenset({"pagination", "cursor"})

    pagination: OptionalText = None
    """`keyset` leads on by cursor, unless there is a `page`; anything else counts for nothing."""
    cursor: OptionalText = None
    """Where the page before ended, from its `Link`; only with `pagination=keyset`."""

    @property
    def is_keyset(self) -> bool:
        """Whether the next page is named by a cursor instead of a number."""
        return self.pagination == "keyset" and "page" not in self.model_fields_set


class Subtree(Query):
    """How much of a group is wanted."""

    exclude_subgroups: Flag = False
    """Leave out what is in subgroups."""
