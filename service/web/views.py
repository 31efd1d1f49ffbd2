"""The views of rows that templates show; only this module of the pages reads rows by their columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.names import PackageType, Visibility
from schemas.statuses import PackageStatus
from service.access.rows import Group, Project
from service.infra.postgres.database import Record


@dataclass(frozen=True, slots=True)
class PlaceView:
    """A project or group as the head of its pages."""

    name: str
    path: str
    visibility: Visibility
    address: str
    """Where its page is."""
    is_group: bool

    @property
    def trail(self) -> Sequence[tuple[str, str]]:
        """The groups around it, from the root down: name and address."""
        parts = self.path.split("/")
        return [(parts[i], "/groups/" + "/".join(parts[: i + 1])) for i in range(len(parts) - 1)]


@dataclass(frozen=True, slots=True)
class PackageView:
    """A package in a list or on its page."""

    id: int
    project_path: str
    type: PackageType
    name: str
    version: str | None
    status: PackageStatus
    created_at: datetime
    last_downloaded_at: datetime | None
    creator_id: int | None
    tags: Sequence[str]
    files: int
    bytes: int

    @property
    def address(self) -> str:
        """Where its page is."""
        return package_address(self.project_path, self.type, self.id)

    @property
    def is_open(self) -> bool:
        """Whether it has a page, or is being deleted, where the page leads to the deletion."""
        return self.status is not PackageStatus.HIDDEN


@dataclass(frozen=True, slots=True)
class PipelineView:
    """A pipeline that built a package."""

    id: int
    ref: str
    sha: str
    status: str
    username: str | None
    created_at: datetime
    address: str


@dataclass(frozen=True, slots=True)
class FileView:
    """A file of a package."""

    id: int
    name: str
    status: str
    size: int
    sha256: str
    md5: str | None
    sha1: str | None
    created_at: datetime


def project_place(project: Project) -> PlaceView:
    """Return the head of a project's pages."""
    return PlaceView(project.name, project.path, project.visibility, f"/{project.path}", is_group=False)


def group_place(group: Group) -> PlaceView:
    """Return the head of a group's pages."""
    return PlaceView(group.name, group.path, group.visibility, f"/groups/{group.path}", is_group=True)


def package_address(project_path: str, package_type: PackageType, package_id: int) -> str:
    """Return where the page of a package is, as `web_path` of the API says."""
    room = "infrastructure_registry" if package_type is PackageType.TERRAFORM_MODULE else "packages"
    return f"/{project_path}/-/{room}/{package_id}"


def package_view(row: Record, *, project_path: str) -> PackageView:
    """Return what is shown of a package."""
    return PackageView(
        id=row["id"],
        project_path=project_path,
        type=PackageType(row["package_type"]),
        name=_full_name(row),
        version=row["version"],
        status=PackageStatus(row["status"]),
        created_at=row["created_at"],
        last_downloaded_at=row["last_downloaded_at"],
        creator_id=row["creator_id"],
        tags=[tag["name"] for tag in row["tags"] or ()],
        files=row["shown_files"],
        bytes=row["shown_bytes"],
    )


def pipeline_views(row: Record) -> Sequence[PipelineView]:
    """Return the pipelines that built a package or a file, newest first."""
    return [pipeline_view(pipeline) for pipeline in reversed(row["pipelines"] or ())]


def pipeline_view(pipeline: Mapping[str, Any]) -> PipelineView:
    """Return what is shown of a pipeline."""
    return PipelineView(
        id=pipeline["id"],
        ref=pipeline["ref"],
        sha=pipeline["sha"],
        status=pipeline["status"],
        username=(pipeline["user"] or {}).get("username"),
        created_at=datetime.fromisoformat(pipeline["created_at"]),
        address=f"/{pipeline['project_path']}/-/pipelines/{pipeline['id']}",
    )


def file_view(row: Record) -> FileView:
    """Return what is shown of a file."""
    return FileView(
        id=row["id"],
        name=row["file_name"],
        status=row["status"],
        size=row["size"],
        sha256=row["sha256"].hex(),
        md5=_hex(row["md5"]),
        sha1=_hex(row["sha1"]),
        created_at=row["created_at"],
    )


def _hex(found: bytes | None) -> str | None:
    return None if found is None else found.hex()


def _full_name(row: Record) -> str:
    if row["package_type"] != PackageType.CONAN or row["conan_username"] is None:
        return str(row["name"])
    return f"{row['name']}@{row['conan_username']}/{row['conan_channel'] or '_'}"
