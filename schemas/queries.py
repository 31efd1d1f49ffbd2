"""HTTP parameters: their types, defaults and lists of allowed values."""

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from schemas.names import PackageType
from schemas.statuses import PackageStatus

MAX_PER_PAGE: Final = 100
DEFAULT_PER_PAGE: Final = 20
_LARGEST_PAGE: Final = 2**31


def _blank_is_unset(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if value in ("", None) else value)


Page = Annotated[int, _blank_is_unset(1), Field(le=_LARGEST_PAGE)]
PerPage = Annotated[int, _blank_is_unset(DEFAULT_PER_PAGE)]
Flag = Annotated[bool, _blank_is_unset(default=False)]
"""true, 1, false and 0 in GitLab's forms; blank is not set."""
Text = Annotated[str | None, _blank_is_unset(None)]


class Sort(StrEnum):
    """The direction of an order."""

    ASC = "asc"
    DESC = "desc"


class OrderBy(StrEnum):
    """What a listing of packages may be ordered by; the last one only in a group."""

    CREATED_AT = "created_at"
    NAME = "name"
    VERSION = "version"
    TYPE = "type"
    PROJECT_PATH = "project_path"


class Query(BaseModel):
    """Parameters of a request; unknown ones are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Paging(Query):
    """Which part of a list is wanted."""

    page: Page = 1
    per_page: PerPage = DEFAULT_PER_PAGE


class PackageListing(Paging):
    """What the listings of a project and of a group have in common."""

    sort: Sort = Sort.ASC
    package_type: PackageType | None = None
    package_name: Text = None
    package_version: Text = None
    include_versionless: Flag = False
    status: PackageStatus | None = None


class ProjectPackageListing(PackageListing):
    """Parameters of `GET /projects/:id/packages`."""

    order_by: Literal[OrderBy.CREATED_AT, OrderBy.NAME, OrderBy.VERSION, OrderBy.TYPE] = OrderBy.CREATED_AT


class GroupPackageListing(PackageListing):
    """Parameters of `GET /groups/:id/packages`."""

    order_by: OrderBy = OrderBy.CREATED_AT
    exclude_subgroups: Flag = False


class Upload(Query):
    """Parameters of a generic `PUT`."""

    status: Literal[PackageStatus.DEFAULT, PackageStatus.HIDDEN] | None = None
    select: Literal["package_file"] | None = None
