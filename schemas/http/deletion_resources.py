"""HTTP bodies about deletions, which GitLab does not have."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from schemas.http.resources import Resource, Timestamp
from schemas.names import Action, Cause, Credential, Lane, PackageType
from schemas.statuses import DeletionState


class DeletedPackage(Resource):
    """The package of a deletion, as it was when the deletion was requested."""

    id: int
    type: PackageType
    name: str
    version: str | None
    files: int
    """How many of its files are being deleted: all that it had, or the one."""
    bytes: int
    """The sizes of those files, added up."""


class Requester(Resource):
    """The user who asked for something."""

    id: int
    username: str
    name: str


class Act(Resource):
    """A later request about an accepted deletion."""

    action: Action
    by: Requester | None
    """Null where no user acted, or one who is not known any more."""
    credential: Credential
    acted_at: Timestamp


class DeletionLinks(Resource):
    """Where the deletion is, and the package; and what can be asked of it now, null where it cannot."""

    web_path: str
    """The path of its page."""
    itself: str = Field(alias="self")
    package: str | None
    """Null once the package is gone."""
    batch: str | None
    """How far everything is that one call asked for; null where it asked for no more than this."""
    restore: str | None
    retry: str | None
    destroy_now: str | None


class DeletionResource(Resource):
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
    """Why it did not continue. Maintainers read the store's own message; others read only the kind of error."""
    hold: str | None
    """The reason of the hold on its project that stops it. Readers below maintainer get `on hold`."""
    destroy_after: Timestamp | None
    """The end of the grace; null in any other state."""
    estimated_seconds_left: int | None
    """The time until the last byte is gone, at the current pace, or until the grace ends; null if unknown."""
    finished_at: Timestamp | None
    restored_as: str | None
    """The version under which the package came back, where it is not its own."""
    acts: list[Act]
    """Later requests of people about it, in the order of time."""
    lane: Lane
    batch_id: UUID | None
    """Null unless one call asked for many deletions."""
    links: DeletionLinks = Field(alias="_links")


class PlannedPackage(Resource):
    """A package that goes."""

    id: int
    project_id: int
    package_type: PackageType
    name: str
    version: str | None
    files: int
    bytes: int
    deletion_id: UUID | None
    """Null in a dry run."""


class RefusalResource(Resource):
    """Why something that was asked for is not done."""

    id: int
    reason: str


class BulkLinks(Resource):
    """Where the batch can be watched."""

    batch: str
    deletions: str


class BulkDeletion(Resource):
    """The result of deleting many packages, or the result that it would have."""

    dry_run: bool
    batch_id: UUID | None
    """Null in a dry run, or where nothing was accepted."""
    packages: int
    """How many go."""
    files: int
    bytes: int
    remaining: int
    """How many more match the filter; they were not examined further."""
    accepted: list[PlannedPackage]
    """Those that go; of a dry run, the first 1,000."""
    refused: list[RefusalResource]
    """Those that do not; of a dry run, the first 1,000."""
    links: BulkLinks | None = Field(alias="_links")
    """Null in a dry run, or where nothing was accepted."""


class PlannedLine(Resource):
    """One line of the answer as NDJSON."""

    outcome: Literal["accepted", "refused"]
    id: int
    reason: str | None
    """Why it is refused."""
    package: PlannedPackage | None
    """What goes."""


class RestoredDeletion(Resource):
    """A deletion of a batch that was undone."""

    id: UUID
    project_id: int
    package_id: int


class RestoreRefusal(Resource):
    """Why a deletion of a batch was not undone."""

    id: UUID
    reason: str


class BulkRestoration(Resource):
    """The result of undoing a batch."""

    batch_id: UUID
    restored: list[RestoredDeletion]
    refused: list[RestoreRefusal]


class BatchLinks(Resource):
    """Where the batch is, and its deletions."""

    web_path: str | None
    """The path of its page; null at the command line, which names no project or group."""
    itself: str = Field(alias="self")
    deletions: str


class Batch(Resource):
    """How far the deletions are that one call asked for."""

    id: UUID
    deletions: int
    states: dict[DeletionState, int]
    """How many are in each state."""
    files_total: int
    files_done: int
    bytes_total: int
    bytes_done: int
    reason: str | None
    requested_at: Timestamp
    finished_at: Timestamp | None
    """Null as long as one has not ended."""
    links: BatchLinks = Field(alias="_links")
