"""From rows to resources: the one place where they meet."""

from collections.abc import Mapping
from typing import Any, Final

from schemas.base import Json
from schemas.http.resources import (
    FileLocation,
    Links,
    Package,
    PackageFile,
    PackageVersion,
    Pipeline,
    Tag,
    UploadedFile,
    User,
)
from schemas.names import PackageType
from service.catalogue.rows.uploads import UploadedFileRow
from service.infra.postgres.database import Record

_LOCAL_STORE: Final = 1
"""GitLab's number for a file that clients fetch through the API."""


def package_entity(package: Record, *, base: str, project_path: str, may_delete: bool, **more: object) -> Package:
    """Return a package as a client sees it; *more* are the keys that depend on where it is shown."""
    values: dict[str, object] = {
        "id": package["id"],
        "name": package["name"],
        "version": package["version"],
        "package_type": package["package_type"],
        "status": package["status"],
        "_links": _links(package, base=base, project_path=project_path, may_delete=may_delete),
        "created_at": package["created_at"],
        "last_downloaded_at": package["last_downloaded_at"],
        "creator_id": package["creator_id"],
        "tags": _tags(package),
        **more,
    }
    if package["package_type"] == PackageType.CONAN:
        values |= {"name": _recipe(package), "conan_package_name": package["name"]}
    pipelines = _pipelines(package, base)
    if pipelines:
        values |= {"pipeline": pipelines[0], "pipelines": pipelines}
    return Package.model_validate(values)


def version_entity(package: Record, *, base: str) -> PackageVersion:
    """Return another version of a package."""
    values: dict[str, object] = {
        "id": package["id"],
        "version": package["version"],
        "created_at": package["created_at"],
        "tags": _tags(package),
    }
    pipelines = _pipelines(package, base)
    if pipelines:
        values["pipeline"] = pipelines[0]
    return PackageVersion.model_validate(values)


def file_entity(file: Record, *, base: str) -> PackageFile:
    """Return a file of a package."""
    values: dict[str, object] = {
        "id": file["id"],
        "package_id": file["package_id"],
        "created_at": file["created_at"],
        "file_name": file["file_name"],
        "size": file["size"],
        "file_md5": _hex(file["md5"]),
        "file_sha1": _hex(file["sha1"]),
        "file_sha256": _hex(file["sha256"]),
    }
    pipelines = _pipelines(file, base)
    if pipelines:
        values["pipelines"] = pipelines
    return PackageFile.model_validate(values)


def pipeline_entity(pipeline: Mapping[str, Any], base: str) -> Pipeline:
    """Return a pipeline, with the user who started it."""
    values = {key: value for key, value in pipeline.items() if key not in {"user", "project_path"}}
    user = pipeline["user"]
    return Pipeline(
        **values,
        web_url=f"{base}/{pipeline['project_path']}/-/pipelines/{pipeline['id']}",
        user=None if user is None else _user(user, base),
    )


def uploaded_entity(file: UploadedFileRow, *, url: str) -> UploadedFile:
    """Return the record of a file just uploaded; GitLab returns only the SHA-256 of a generic one."""
    unused = dict.fromkeys(name for name, field in UploadedFile.model_fields.items() if field.default is None)
    return UploadedFile(
        **unused,
        verification_state=0,
        id=file.id,
        package_id=file.package_id,
        created_at=file.created_at,
        updated_at=file.updated_at,
        size=file.size,
        file_store=_LOCAL_STORE,
        file_md5=None,
        file_sha1=None,
        file_name=file.file_name,
        file=FileLocation(url=url),
        file_sha256=file.sha256.hex(),
        status=file.status,
    )


def _user(user: Json, base: str) -> User:
    # Nobody is locked out for wrong passwords here: there are none.
    return User(**user, locked=False, avatar_url=None, web_url=f"{base}/{user['username']}")


def _links(package: Record, *, base: str, project_path: str, may_delete: bool) -> Links:
    is_module = package["package_type"] == PackageType.TERRAFORM_MODULE
    room = "infrastructure_registry" if is_module else "packages"
    web_path = f"/{project_path}/-/{room}/{package['id']}"
    if not may_delete:
        return Links(web_path=web_path)
    api_path = f"{base}/api/v4/projects/{package['project_id']}/packages/{package['id']}"
    return Links(web_path=web_path, delete_api_path=api_path)


def _recipe(package: Record) -> str:
    username, channel = package["conan_username"] or "_", package["conan_channel"] or "_"
    return f"{package['name']}/{package['version']}@{username}/{channel}"


def _tags(package: Record) -> list[Tag]:
    return [Tag.model_validate({**tag, "project_id": package["project_id"]}) for tag in package["tags"] or ()]


def _pipelines(record: Record, base: str) -> list[Pipeline]:
    return [pipeline_entity(pipeline, base) for pipeline in record["pipelines"] or ()]


def _hex(digest: bytes | None) -> str | None:
    return None if digest is None else digest.hex()
