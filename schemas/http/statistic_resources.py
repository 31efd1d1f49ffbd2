"""How much there is: the figures of a project or a group."""

from typing import Literal

from schemas.http.resources import Resource
from schemas.names import PackageType


class PackageFigures(Resource):
    """How many packages and files there are, and how many bytes."""

    packages: int
    """Those that a listing shows."""
    files: int
    """Those of these packages that a listing shows."""
    logical_bytes: int
    """The sizes of these files, added up."""
    physical_bytes: int
    """The sizes of all files that are still in storage: also hidden ones, and those that are being deleted."""


class TypeFigures(PackageFigures):
    """The figures of one type of packages."""

    package_type: PackageType


class PackageStatistics(PackageFigures):
    """The figures of all packages, and of each type that there is."""

    package_types: list[TypeFigures]


class QuotaResource(Resource):
    """A quota of bytes, and how much of it is used by all projects of its place."""

    id: int
    place: Literal["group", "project"]
    group_id: int | None
    project_id: int | None
    path: str
    bytes: int
    """How many bytes there may be in storage."""
    enforce: bool
    """Whether an upload is refused that would take more."""
    logical_bytes: int
    """The sizes of the files that listings show, added up."""
    physical_bytes: int
    """The sizes of all files in storage; the quota is about these. A deletion gives them back when they are gone."""
    percent: int
    """How much of it is used, rounded down."""
