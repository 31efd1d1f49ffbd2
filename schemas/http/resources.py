"""HTTP bodies, as GitLab's clients read them. A key that is not set is absent; one that is None is null."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from schemas.names import PackageType
from schemas.statuses import FileStatus, PackageStatus


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Timestamp = Annotated[
    datetime,
    PlainSerializer(_rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]
"""With exactly three digits of a second, and Z."""


class Resource(BaseModel):
    """A body, or a part of one."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class User(Resource):
    """The user who started a pipeline."""

    id: int
    username: str
    name: str
    state: str
    locked: bool
    avatar_url: str | None
    web_url: str


class Pipeline(Resource):
    """A pipeline that built a package or file."""

    id: int
    iid: int
    project_id: int
    sha: str
    ref: str
    status: str
    source: str
    created_at: Timestamp
    updated_at: Timestamp
    web_url: str
    user: User | None


class Tag(Resource):
    """A tag of a package."""

    id: int
    package_id: int
    project_id: int
    name: str
    created_at: Timestamp
    updated_at: Timestamp


class Links(Resource):
    """Where else the package is."""

    web_path: str
    delete_api_path: str = ""
    """Absent unless the caller may delete packages there."""


class PackageVersion(Resource):
    """Another version of the same package."""

    id: int
    version: str
    created_at: Timestamp
    tags: list[Tag]
    pipeline: Pipeline = Field(default=None, validate_default=False)  # type: ignore[assignment]  # absent, not null


class Package(Resource):
    """A package in a list, or by itself."""

    id: int
    name: str
    conan_package_name: str = ""
    """Absent unless the package is a conan one, whose `name` is the whole recipe."""
    version: str | None
    package_type: PackageType
    status: PackageStatus
    links: Links = Field(alias="_links")
    created_at: Timestamp
    last_downloaded_at: Timestamp | None
    creator_id: int | None
    project_id: int = 0
    """In a group's list only."""
    project_path: str = ""
    """In a group's list only."""
    tags: list[Tag]
    pipeline: Pipeline = Field(default=None, validate_default=False)  # type: ignore[assignment]  # absent, not null
    pipelines: list[Pipeline] = []
    """Absent unless there is one."""
    versions: list[PackageVersion] = []
    """In a package by itself only."""


class PackageFile(Resource):
    """A file of a package."""

    id: int
    package_id: int
    created_at: Timestamp
    file_name: str
    size: int
    file_md5: str | None
    file_sha1: str | None
    file_sha256: str | None
    pipelines: list[Pipeline] = []
    """Absent unless there is one."""


class FileLocation(Resource):
    """Where an uploaded file can be downloaded."""

    url: str


class Status(Resource):
    """How a process is."""

    status: str


class Readiness(Status):
    """Whether a process can do its work, and what the last ping saw of each server that it needs."""

    servers: dict[str, str]
    """Each of `database`, `store` and `broker` that the process needs: `ok`, or the fault."""


class Message(Resource):
    """An answer in words."""

    message: str


class UploadedFile(Resource):
    """The record of a file just uploaded, as `select=package_file` answers it.

    The keys from `verification_retry_at` on mean something to GitLab only.
    """

    id: int
    package_id: int
    created_at: Timestamp
    updated_at: Timestamp
    size: int
    file_store: int
    file_md5: str | None
    file_sha1: str | None
    file_name: str
    file: FileLocation
    file_sha256: str
    status: FileStatus
    verification_retry_at: None = None
    verified_at: None = None
    verification_failure: None = None
    verification_retry_count: None = None
    verification_checksum: None = None
    verification_state: int
    verification_started_at: None = None
    new_file_path: None = None
