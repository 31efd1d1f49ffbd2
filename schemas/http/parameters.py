"""HTTP parameters: their types, defaults and lists of allowed values."""

import re
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from schemas.base import Query
from schemas.names import PackageType
from schemas.statuses import DeletionState, PackageStatus

MAX_PER_PAGE: Final = 100
DEFAULT_PER_PAGE: Final = 20
_FURTHEST: Final = 2**62
"""An offset that no list reaches, and that PostgreSQL still adds to."""
_MOST_TERMS: Final = 50
"""Each is searched for in every name, so the cost of a search grows with their number."""
_TRUE: Final = ("1", "on", "On", "ON", "t", "true", "True", "TRUE", "T", "y", "yes", "Yes", "YES", "Y")
_FALSE: Final = ("0", "off", "Off", "OFF", "f", "false", "False", "FALSE", "F", "n", "no", "No", "NO", "N")
_FLAGS: Final = MappingProxyType({**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)})
"""The texts that GitLab's API reads as a boolean."""
_QUOTED: Final = re.compile(r'(?<![^ ])"[^"]+"(?![^ ])')
"""Any other quote is an ordinary character, as in GitLab."""
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,1000}")


def _blank_is_unset(default: Any) -> BeforeValidator:
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
    if isinstance(value, str) and value not in _FLAGS:
        raise ValueError("should be true or false")
    return _FLAGS[value] if isinstance(value, str) else value


def _read_page(value: int) -> int:
    return max(value, 1)


def _read_per_page(value: int) -> int:
    if value == 0:
        raise PydanticCustomError("excluded_value", "should not be 0")
    return DEFAULT_PER_PAGE if value < 0 else min(value, MAX_PER_PAGE)


def _check_short_page(value: int) -> int:
    if not 1 <= value <= DEFAULT_PER_PAGE:
        raise PydanticCustomError("outside_list", "should be 1 to 20")
    return value


def search_terms(text: str) -> list[str]:
    """Split a fuzzy search into terms, each once; text in double quotes, with blanks around, stays one term."""
    words = " ".join(text.split())
    quoted = [term[1:-1] for term in _QUOTED.findall(words)]
    return list(dict.fromkeys([*_QUOTED.sub("", words).split(), *quoted]))


def check_terms(text: str | None) -> str | None:
    """Return the text of a search.

    Raises:
        ValueError: it has too many words.
    """
    if text is not None and len(search_terms(text)) > _MOST_TERMS:
        raise ValueError(f"should be at most {_MOST_TERMS} different words")
    return text


Integer = Annotated[int, BeforeValidator(read_integer)]
Page = Annotated[Integer, _blank_is_unset(1), AfterValidator(_read_page)]
"""From 1 on; what is below counts as 1, as in GitLab 14."""
PerPage = Annotated[
    Integer,
    _blank_is_unset(DEFAULT_PER_PAGE),
    AfterValidator(_read_per_page),
    WithJsonSchema({"type": "integer", "not": {"const": 0}}),
]
"""1 to 100; more counts as 100, less than 0 as the default, as in GitLab 14."""
Flag = Annotated[bool, BeforeValidator(_read_flag), _blank_is_unset(default=False)]
"""true, 1, false and 0 in the forms that GitLab takes; blank is not set."""
OptionalText = Annotated[str | None, _blank_is_unset(None)]
Search = Annotated[OptionalText, AfterValidator(check_terms)]
"""Terms that must all be found; those in double quotes stay together."""


class Sort(StrEnum):
    """The direction of an order."""

    ASC = "asc"
    DESC = "desc"


class OrderBy(StrEnum):
    """Orders of a listing of packages; `project_path` only in a group, `semver` beyond GitLab's."""

    CREATED_AT = "created_at"
    NAME = "name"
    VERSION = "version"
    TYPE = "type"
    SEMVER = "semver"
    PROJECT_PATH = "project_path"


class FileOrderBy(StrEnum):
    """Orders of a listing of files."""

    ID = "id"
    CREATED_AT = "created_at"
    FILE_NAME = "file_name"


class Paging(Query):
    """Which part of a list is wanted."""

    page: Page = 1
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


class PackageListing(KeysetPaging):
    """Parameters that the listings of a project and of a group share."""

    order_by: OrderBy = OrderBy.CREATED_AT
    """The order of the list."""
    sort: Sort = Sort.ASC
    """The direction of the order."""
    package_type: PackageType | None = None
    """Only packages of this type; Terraform modules are listed only when asked for."""
    package_name: Search = None
    """Only names that contain all of these words; words in double quotes stay together."""
    package_version: OptionalText = None
    """Only this version, exactly."""
    include_versionless: Flag = False
    """Packages without a version, too."""
    status: PackageStatus | None = None
    """Only packages in this status, instead of those in `default`, `error` and `deprecated`."""


class ProjectPackageListing(PackageListing):
    """Parameters of `GET /projects/:id/packages`."""

    order_by: Literal[OrderBy.CREATED_AT, OrderBy.NAME, OrderBy.VERSION, OrderBy.TYPE, OrderBy.SEMVER] = (
        OrderBy.CREATED_AT
    )
    """The order of the list; `semver` is Packyard's own."""


class GroupPackageListing(PackageListing, Subtree):
    """Parameters of `GET /groups/:id/packages`."""


class FileListing(Paging):
    """Parameters of a listing of files."""

    order_by: FileOrderBy = FileOrderBy.ID
    """The order of the list."""
    sort: Sort = Sort.ASC
    """The direction of the order."""


class PipelineListing(Query):
    """Parameters of a listing of pipelines, which is paged by cursor only."""

    cursor: OptionalText = None
    """Where another page ended, from its `Link`."""
    per_page: Annotated[
        Integer,
        _blank_is_unset(DEFAULT_PER_PAGE),
        AfterValidator(_check_short_page),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": DEFAULT_PER_PAGE}),
    ] = DEFAULT_PER_PAGE
    """How many on a page, 1 to 20."""


class DeletionListing(Query):
    """Parameters of a listing of deletions, which is paged by cursor only."""

    cursor: OptionalText = None
    """Where the page before ended, from its `Link`."""
    per_page: PerPage = DEFAULT_PER_PAGE
    """How many on a page: 20 by default, at most 100."""
    state: DeletionState | None = None
    """Only deletions in this state."""
    package_type: PackageType | None = None
    """Only those of packages of this type."""
    package_name: Search = None
    """Only names that contain all of these words; words in double quotes stay together."""
    batch_id: Annotated[UUID | None, _blank_is_unset(None)] = None
    """Only those that one call asked for together."""


class Upload(Query):
    """Parameters of a generic `PUT`."""

    status: Literal[PackageStatus.DEFAULT, PackageStatus.HIDDEN] | None = None
    """The status that the package is to have."""
    select: Literal["package_file"] | None = None
    """`package_file` answers with the record of the file."""


class DeletionParameters(Query):
    """Parameters of a `DELETE`."""

    beyond_gitlab: ClassVar[frozenset[str]] = frozenset({"reason"})

    reason: Annotated[Annotated[str, Field(max_length=1_000)] | None, _blank_is_unset(None)] = None
    """The reason; kept with the deletion and published to subscribers."""
