"""HTTP parameters of what shows the directory: projects and groups."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from schemas.base import Query
from schemas.http.parameters import Flag, Paging, Search, read_integer
from schemas.names import Visibility
from schemas.searching import Sort

_LARGEST_ID: Final = 2**63 - 1
_MOST_IDS: Final = 100


def _read_number(value: object) -> object:
    return None if value == "" else read_integer(value)


def _read_numbers(value: object) -> object:
    return [_read_number(part) for part in value.split(",") if part] if isinstance(value, str) else value


def _write_numbers(numbers: tuple[int, ...]) -> str | None:
    return ",".join(map(str, numbers)) or None


def _unset_when_blank(value: object) -> object:
    return None if value == "" else value


OptionalId = Annotated[Annotated[int, Field(ge=-_LARGEST_ID, le=_LARGEST_ID)] | None, BeforeValidator(_read_number)]
Ids = Annotated[
    tuple[Annotated[int, Field(ge=-_LARGEST_ID, le=_LARGEST_ID)], ...],
    BeforeValidator(_read_numbers),
    PlainSerializer(_write_numbers, return_type=str | None, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^([0-9]{1,18}(,[0-9]{1,18}){0,99})?$"}),
    Field(default_factory=tuple, max_length=_MOST_IDS),
]
"""Written as one text, with commas."""
Choice = Annotated[bool | None, BeforeValidator(_unset_when_blank)]
"""A flag that says a third thing when it is not set."""
Level = Annotated[Literal[10, 20, 30, 40, 50] | None, BeforeValidator(_read_number)]
"""GitLab's number of a role, guest to owner."""
Keyset = Annotated[
    Literal["keyset"] | None,
    BeforeValidator(lambda value: value if value == "keyset" else None),
    WithJsonSchema({"type": "string"}),
]
FlagUnlessDenied = Annotated[bool, BeforeValidator(lambda value: True if value in ("", None) else value)]


class ProjectOrderBy(StrEnum):
    """Orders of a listing of projects; only the time of creation is known, so three are the same."""

    ID = "id"
    NAME = "name"
    PATH = "path"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    LAST_ACTIVITY_AT = "last_activity_at"


class GroupOrderBy(StrEnum):
    """Orders of a listing of groups."""

    NAME = "name"
    PATH = "path"
    ID = "id"


class ProjectListing(Paging):
    """Parameters that the listing of all projects shares with that of a group's projects."""

    beyond_gitlab: ClassVar[frozenset[str]] = frozenset({"pagination"})

    pagination: Keyset = None
    """`keyset`: parts follow one another by id, without totals, and the `Link` leads to the next."""
    order_by: ProjectOrderBy = ProjectOrderBy.CREATED_AT
    """The order of the list; only `id` with `pagination=keyset`."""
    sort: Sort = Sort.DESC
    """The direction of the order."""
    search: Search = None
    """Words that must all be part of the name, or of the path's last segment; case does not matter."""
    visibility: Visibility | None = None
    """Only those that are public, internal or private."""
    owned: Flag = False
    """Only those that the caller owns."""
    min_access_level: Level = None
    """Only those in which the caller has at least this role, from 10 for a guest to 50 for an owner."""
    simple: Flag = False
    """With fewer keys."""
    archived: Choice = None
    """No project is archived, so that `true` leaves none."""
    id_after: OptionalId = None
    """Only those with a larger id."""
    id_before: OptionalId = None
    """Only those with a smaller id."""

    @property
    def is_keyset(self) -> bool:
        """Whether a part of the list ends at an id instead of having a number."""
        return self.pagination is not None

    @model_validator(mode="before")
    @classmethod
    def _order_keyset_by_id(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("pagination") == "keyset":
            return {"order_by": ProjectOrderBy.ID, **values}
        return values

    @field_validator("order_by")
    @classmethod
    def _check_keyset(cls, value: ProjectOrderBy, info: ValidationInfo) -> ProjectOrderBy:
        if info.data.get("pagination") and value is not ProjectOrderBy.ID:
            raise PydanticCustomError("outside_list", "should be id, with pagination=keyset")
        return value


class AllProjectsListing(ProjectListing):
    """Parameters of `GET /projects`."""

    search_namespaces: Flag = False
    """Search the full path instead of its last segment."""
    membership: Flag = False
    """Only those that the caller is a member of."""


class GroupProjectsListing(ProjectListing):
    """Parameters of `GET /groups/:id/projects`."""

    include_subgroups: Flag = False
    """Those of the groups below, too."""


class GroupListing(Paging):
    """Parameters of `GET /groups`, and of what is below one group."""

    order_by: GroupOrderBy = GroupOrderBy.NAME
    """The order of the list."""
    sort: Sort = Sort.ASC
    """The direction of the order."""
    search: Search = None
    """Words that must all be part of the name, or of the full path; case does not matter."""
    visibility: Visibility | None = None
    """Only those that are public, internal or private."""
    owned: Flag = False
    """Only those that the caller owns."""
    min_access_level: Level = None
    """Only those in which the caller has at least this role, from 10 for a guest to 50 for an owner."""
    top_level_only: Flag = False
    """Only those that are in no other group."""
    all_available: Choice = None
    """Whether a user gets all visible groups or only those of a membership. The default is `true` for administrators
    and `false` for other users; anonymous callers get all public groups."""
    skip_groups: Ids
    """Ids of groups to leave out, with commas between them; or `skip_groups[]` once for each."""


class GroupDetails(Query):
    """Parameters of `GET /groups/:id`."""

    with_projects: FlagUnlessDenied = True
    """With the first 100 projects that are right in the group."""
