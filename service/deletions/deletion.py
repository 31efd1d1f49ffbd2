"""A deletion as its row has it, its origin, and the parts that all use cases about deletions work with."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from schemas.names import AccessLevel, Cause, Credential, Lane, PackageType
from schemas.statuses import DeletionState, PackageStatus
from service.infra.postgres.database import Sessions
from service.infra.postgres.queries import whole_row
from service.infra.postgres.records import row_reader


@whole_row("deletion")
@dataclass(frozen=True, slots=True)
class Deletion:
    """A row of the table `deletion`."""

    id: UUID
    project_id: int
    root_group_id: int
    package_id: int
    package_file_id: int | None
    package_type: PackageType
    package_name: str
    package_version: str | None
    file_name: str | None
    prior_status: PackageStatus
    lane: Lane
    cause: Cause
    reason: str | None
    requested_by: int | None
    credential: Credential
    request_id: str | None
    batch_id: UUID | None
    request_event_id: UUID
    requested_at: datetime
    state: DeletionState
    files_total: int
    bytes_total: int
    files_done: int
    bytes_done: int
    attempts: int
    last_error: str | None
    not_before: datetime
    marked_at: datetime | None
    removal_began_at: datetime | None
    """The first moment at which an object may have gone."""
    finished_at: datetime | None
    restored_as: str | None
    """The version under which a restored package came back, if it is another one."""


read: Final = row_reader(Deletion)
"""Makes a deletion from a record that has its columns."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a deletion: its user, credential, way and reason."""

    requested_by: int | None
    requested_level: AccessLevel
    credential: Credential
    cause: Cause
    lane: Lane
    reason: str | None = None
    request_id: str | None = None
    batch_id: UUID | None = None
    """The call that asks for many deletions together."""


@dataclass(frozen=True, slots=True)
class Deletions:
    """The database, and the rules of time and attempts; each process has them from its context."""

    database: Sessions
    resend: timedelta
    """The time after which a command without an answer is sent again."""
    lease: timedelta
    """How long a worker owns a deletion without renewing its claim."""
    grace: timedelta
    """The time between marking and destroying, where no project or group says otherwise."""
    max_attempts: int
    policy_grace: timedelta = timedelta(days=7)
    """The shortest grace of what a retention rule deletes, whatever projects and groups say."""

    def within(self, database: Sessions) -> "Deletions":
        """Return the same on another database, such as a transaction that is open already."""
        return replace(self, database=database)
