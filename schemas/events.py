"""Facts, as subscribers get them: CloudEvents 1.0, one class an event type.

The outbox holds an event without `source`, `sequence` and `aggversion`; the relay adds them when it publishes.
"""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID

from pydantic import AwareDatetime, Field
from typing_extensions import override

from schemas.base import Contract
from schemas.checks import Figures
from schemas.names import Cause, PackageType

TYPE_PREFIX: Final = "io.packyard"
SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
SEQUENCE_DIGITS: Final = 20
"""`sequence` is zero-padded, since CloudEvents compares it as text."""


class Event(Contract):
    """What can be told of every event: what happened, to what, and who had it done."""

    entity: ClassVar[str]
    action: ClassVar[str]

    @classmethod
    def topic(cls) -> str:
        """Return `<entity>.<action>`."""
        return f"{cls.entity}.{cls.action}"

    @classmethod
    def type_name(cls) -> str:
        """Return the CloudEvents type."""
        return f"{TYPE_PREFIX}.{cls.topic()}.v1"

    def routing_key(self) -> str:
        """Return what subscribers bind by."""
        return self.topic()

    def subject(self) -> str:
        """Return what it happened to."""
        return self.entity

    def partition(self) -> str:
        """Return within what the order of events matters."""
        return self.entity

    @abstractmethod
    def correlation(self) -> UUID:
        """Return what ties together the events of one undertaking."""

    def actor(self) -> int | None:
        """Return the user who asked for it; None when it happened by itself."""
        return None


class DeletionEvent(Event):
    """What every event of a deletion tells: of which package (or file of it), why and by whom."""

    deletion_id: UUID
    project_id: int
    root_group_id: int
    package_id: int
    package_type: PackageType
    package_name: str
    package_version: str | None
    package_file_id: int | None
    file_name: str | None
    cause: Cause
    reason: str | None
    actor_id: int | None
    files: Annotated[int, Field(ge=0)]
    """How many files the event is about: asked for, destroyed with it, or left over."""
    bytes: Annotated[int, Field(ge=0)]
    """The sizes of those files, added up."""

    @override
    def routing_key(self) -> str:
        """Return what subscribers bind by; ids only, since names may hold dots and may change."""
        return f"{self.topic()}.{self.package_type}.{self.root_group_id}.{self.project_id}"

    @override
    def subject(self) -> str:
        return f"projects/{self.project_id}/packages/{self.package_id}"

    @override
    def partition(self) -> str:
        return str(self.project_id)

    @override
    def correlation(self) -> UUID:
        return self.deletion_id

    @override
    def actor(self) -> int | None:
        return self.actor_id


class PackageDeletionRequested(DeletionEvent):
    """A DELETE was accepted: the package is hidden, and its name and version are free again."""

    entity = "package"
    action = "deletion_requested"


class PackageMarkedForDestruction(DeletionEvent):
    """A worker has marked every file; bytes go at once, or after the moment that is given."""

    entity = "package"
    action = "marked_for_destruction"

    destroy_after: AwareDatetime | None


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


class PackageDestructionFailed(DeletionEvent):
    """Attempts are used up: what is left is shown in status `error`."""

    entity = "package"
    action = "destruction_failed"

    error: str
    attempts: int


class PackageFileDeletionRequested(DeletionEvent):
    """A DELETE of one file was accepted."""

    entity = "package_file"
    action = "deletion_requested"


class PackageFileMarkedForDestruction(DeletionEvent):
    """A worker has marked the one file."""

    entity = "package_file"
    action = "marked_for_destruction"

    destroy_after: AwareDatetime | None


class PackageFileRestored(DeletionEvent):
    """The deletion of one file was undone."""

    entity = "package_file"
    action = "restored"


class PackageFileDestroyed(DeletionEvent):
    """These files (one chunk, at most 1,000) are gone from storage."""

    entity = "package_file"
    action = "destroyed"

    package_file_ids: tuple[int, ...]


class PackageFileDestructionFailed(DeletionEvent):
    """Attempts are used up: the file is shown in status `error`."""

    entity = "package_file"
    action = "destruction_failed"

    error: str
    attempts: int


class StorageChecked(Event):
    """The scheduler has held storage and database against each other; a figure of what is wrong counts what is left."""

    entity = "storage"
    action = "checked"

    check_id: UUID
    started_at: AwareDatetime
    finished_at: AwareDatetime
    repaired: bool
    """Whether it was to put right what it can."""
    clean: bool
    """Whether nothing is left that is wrong."""
    figures: Figures

    @override
    def correlation(self) -> UUID:
        return self.check_id


class Envelope(Contract):
    """A CloudEvent as the outbox holds it."""

    specversion: str = SPEC_VERSION
    id: UUID
    type: str
    subject: str
    time: AwareDatetime
    recordedtime: AwareDatetime
    datacontenttype: str = "application/json"
    dataschema: str
    partitionkey: str
    """The project: order matters to nobody across projects. `storage` for what is about all of it."""
    correlationid: UUID
    """The deletion, or the check."""
    causationid: UUID
    """The event that began it."""
    authtype: str
    authid: str
    data: Mapping[str, Any]


def enveloped(event: Event, *, event_id: UUID, causation_id: UUID, now: datetime) -> Envelope:
    """Wrap *event* as the CloudEvent with that id."""
    return Envelope(
        id=event_id,
        type=event.type_name(),
        subject=event.subject(),
        time=now,
        recordedtime=now,
        dataschema=f"urn:packyard:events:{event.topic()}:v1",
        partitionkey=event.partition(),
        correlationid=event.correlation(),
        causationid=causation_id,
        authtype="user" if event.actor() is not None else "system",
        authid=str(event.actor()) if event.actor() is not None else "packyard",
        data=event.model_dump(mode="json"),
    )


def published(body: Mapping[str, Any], *, instance_id: UUID, sequence: int) -> dict[str, Any]:
    """Complete the outbox's *body* with what is known only when it is published."""
    return {
        **body,
        "source": f"/instances/{instance_id}/packages-api",
        "sequence": str(sequence).zfill(SEQUENCE_DIGITS),
        "aggversion": sequence,
    }
