"""HTTP parameters of packages, their files and pipelines: types, defaults and lists of allowed values."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from schemas.base import Query
from schemas.http.parameters import (
    DEFAULT_PER_PAGE,
    Flag,
    Integer,
    KeysetPaging,
    OptionalText,
    Paging,
    Search,
    Subtree,
    blank_is_unset,
)
from schemas.names import PackageType
from schemas.searching import Sort
from schemas.statuses import PackageStatus


def _check_short_page(value: int) -> int:
    if not 1 <= value <= DEFAULT_PER_PAGE:
        raise PydanticCustomError("outside_list", "should be 1 to 20")
    return value


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
        blank_is_unset(DEFAULT_PER_PAGE),
        AfterValidator(_check_short_page),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": DEFAULT_PER_PAGE}),
    ] = DEFAULT_PER_PAGE
    """How many on a page, 1 to 20."""


class Upload(Query):
    """Parameters of a generic `PUT`."""

    status: Literal[PackageStatus.DEFAULT, PackageStatus.HIDDEN] | None = None
    """The status that the package is to have."""
    select: Literal["package_file"] | None = None
    """`package_file` answers with the record of the file."""
