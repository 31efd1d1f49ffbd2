"""From rows to resources: the one place where they meet."""

from collections.abc import Mapping
from typing import Any, Final

from schemas.base import Json
from schemas.http.resources import (
    FileLocation,
    Pipeline,
    UploadedFile,
    User,
)
from service.catalogue.rows.uploads import UploadedFileRow

_LOCAL_STORE: Final = 1
"""GitLab's number for a file that clients fetch through the API."""


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
