"""Facts of uploads and imports, one class an event type."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import ConfigDict, Field
from typing_extensions import override

from schemas.base import Contract
from schemas.messages.event import PackageEvent
from schemas.statuses import PackageStatus

MOST_FILES: Final = 100
"""How many files an event names at most, so that its data stay below 64 KiB."""


class PublishedFile(Contract):
    """A file that was published."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: int
    """Its number, which is never used again."""
    file_name: str
    size: Annotated[int, Field(ge=0)]
    """How many bytes it has."""
    file_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """The checksum of its bytes."""


class PublicationEvent(PackageEvent):
    """The fields of every event of an upload: which package, and which files."""

    publication_id: UUID
    """This upload; of an import, this package."""
    package_name: str
    """Its name now."""
    package_version: str | None
    """Its version now; null for a package without one."""
    status: PackageStatus
    """Its status now: listings have no package that is `hidden`."""
    pipeline_id: int | None
    """The pipeline that built it; null when it was none."""
    files: Annotated[int, Field(ge=0)]
    """How many files were published."""
    bytes: Annotated[int, Field(ge=0)]
    """The sizes of those files, added up."""
    package_files: Annotated[tuple[PublishedFile, ...], Field(max_length=MOST_FILES)] | None
    """Those files; null where there are more than 100, which the API lists."""

    @override
    def correlation(self) -> UUID:
        return self.publication_id


class PackagePublished(PublicationEvent):
    """There is a new package, with its first file; an import has all of its files in one event."""

    entity = "package"
    action = "published"


class PackageFilePublished(PublicationEvent):
    """A package that there was before has one more file."""

    entity = "package_file"
    action = "published"
