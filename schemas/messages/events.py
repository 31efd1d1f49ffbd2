"""Facts, one class an event type; `schemas.messages.cloud_events` has what they are sent in."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import AwareDatetime, Field
from typing_extensions import override

from schemas.checks import Figures
from schemas.messages.event import Event, PackageEvent
from schemas.messages.publications import PackageFilePublished, PackagePublished
from schemas.messages.quota_events import QuotaExceeded
from schemas.messages.retention_events import RetentionRunAwaitsApproval, RetentionRunFinished, RetentionRunPlanned
from schemas.messages.webhook_events import WebhookDisabled, WebhookEventSkipped
from schemas.names import Cause


class DeletionEvent(PackageEvent):
    """The fields of every event of a deletion: which package (or file of it), why and by whom."""

    deletion_id: UUID
    """The deletion, as `/api/v4/projects/:id/deletions/:deletion_id` shows it."""
    package_name: str
    """Its name when the deletion was asked for."""
    package_version: str | None
    """Its version then; null for a package without one."""
    package_file_id: int | None
    """The file, where one file was to be deleted; null for a package."""
    file_name: str | None
    """The name of that file."""
    cause: Cause
    reason: str | None
    """The reason that was given."""
    files: Annotated[int, Field(ge=0)]
    """How many files the event is about: asked for, destroyed with it, or left over."""
    bytes: Annotated[int, Field(ge=0)]
    """The sizes of those files, added up."""

    @override
    def correlation(self) -> UUID:
        return self.deletion_id


class PackageDeletionRequested(DeletionEvent):
    """A DELETE was accepted: the package is hidden, and its name and version are free again."""

    entity = "package"
    action = "deletion_requested"


class PackageMarkedForDestruction(DeletionEvent):
    """A worker has marked every file, and the grace period began; without a grace period this event is not sent."""

    entity = "package"
    action = "marked_for_destruction"

    destroy_after: AwareDatetime
    """Until when the deletion can be undone."""


class PackageRestored(DeletionEvent):
    """The deletion was undone: the package is whole again."""

    entity = "package"
    action = "restored"

    restored_as: str | None = None
    """The version that it has now, if it is another one than it had."""


class PackageDestroyed(DeletionEvent):
    """The last byte is gone, and so is the package; counts are of all that was reclaimed."""

    entity = "package"
    action = "destroyed"

    package_file_ids: tuple[int, ...] | None = None
    """The files, where all went in one chunk (at most 1,000); null where each chunk had a `package_file.destroyed`."""


class PackageDestructionFailed(DeletionEvent):
    """Attempts are used up: what is left is shown in status `error`."""

    entity = "package"
    action = "destruction_failed"

    error: str
    """The last error that prevented it. The feed over HTTP shows it to maintainers; for others it is absent."""
    attempts: int
    """How often it was tried."""


class PackageFileDeletionRequested(DeletionEvent):
    """A DELETE of one file was accepted."""

    entity = "package_file"
    action = "deletion_requested"


class PackageFileMarkedForDestruction(DeletionEvent):
    """A worker has marked the one file, and the grace period began; without one this event is not sent."""

    entity = "package_file"
    action = "marked_for_destruction"

    destroy_after: AwareDatetime
    """Until when the deletion can be undone."""


class PackageFileRestored(DeletionEvent):
    """The deletion of one file was undone."""

    entity = "package_file"
    action = "restored"


class PackageFileDestroyed(DeletionEvent):
    """These files (one chunk, at most 1,000) are gone from storage.

    A package whose files all go in one chunk has no such event; its `package.destroyed` names them.
    """

    entity = "package_file"
    action = "destroyed"

    package_file_ids: tuple[int, ...]
    """Which ones."""


class PackageFileDestructionFailed(DeletionEvent):
    """Attempts are used up: the file is shown in status `error`."""

    entity = "package_file"
    action = "destruction_failed"

    error: str
    """The last error that prevented it. The feed over HTTP shows it to maintainers; for others it is absent."""
    attempts: int
    """How often it was tried."""


class StorageChecked(Event):
    """The scheduler has held storage and database against each other; a figure of what is wrong counts what is left."""

    entity = "storage"
    action = "checked"

    check_id: UUID
    """This check."""
    started_at: AwareDatetime
    """When it began."""
    finished_at: AwareDatetime
    """When it had examined everything."""
    repaired: bool
    """Whether it was to put right what it can."""
    clean: bool
    """Whether nothing is left that is wrong."""
    figures: Figures

    @override
    def correlation(self) -> UUID:
        return self.check_id


EVENTS: Final[tuple[type[Event], ...]] = (
    PackagePublished,
    PackageFilePublished,
    PackageDeletionRequested,
    PackageMarkedForDestruction,
    PackageRestored,
    PackageDestroyed,
    PackageDestructionFailed,
    PackageFileDeletionRequested,
    PackageFileMarkedForDestruction,
    PackageFileRestored,
    PackageFileDestroyed,
    PackageFileDestructionFailed,
    StorageChecked,
    WebhookEventSkipped,
    WebhookDisabled,
    RetentionRunPlanned,
    RetentionRunAwaitsApproval,
    RetentionRunFinished,
    QuotaExceeded,
)
"""All that subscribers may hear."""
