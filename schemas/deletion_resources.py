"""HTTP bodies about deletions, which GitLab does not have."""

from uuid import UUID

from pydantic import Field

from schemas.names import Cause, Credential, PackageType
from schemas.resources import Resource, Timestamp
from schemas.statuses import DeletionState
from schemas.topology import Lane


class DeletedPackage(Resource):
    """What is being deleted, as it was when that was asked for."""

    id: int
    type: PackageType
    name: str
    version: str | None


class Requester(Resource):
    """Who asked for a deletion."""

    id: int
    username: str
    name: str


class DeletionLinks(Resource):
    """Where the deletion is, and the package."""

    itself: str = Field(alias="self")
    package: str | None
    """Null once the package is gone."""


class Deletion(Resource):
    """How far getting rid of a package or file is."""

    id: UUID
    project_id: int
    package: DeletedPackage
    package_file_id: int | None
    """Null unless one file is deleted by itself."""
    file_name: str | None
    """Null unless one file is deleted by itself."""
    cause: Cause
    reason: str | None
    requested_by: Requester | None
    """Null where no user asked, or one who is not known any more."""
    credential: Credential
    requested_at: Timestamp
    state: DeletionState
    files_total: int
    files_done: int
    bytes_total: int
    bytes_done: int
    attempts: int
    last_error: str | None
    destroy_after: Timestamp | None
    """The end of the grace; null in any other state."""
    finished_at: Timestamp | None
    lane: Lane
    links: DeletionLinks = Field(alias="_links")
