"""The findings and figures of a storage check."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from schemas.base import Contract

Count = Annotated[int, Field(ge=0)]


class FindingKind(StrEnum):
    """What is wrong."""

    MISSING = "missing"
    """A file whose object is not in storage."""
    ORPHANED = "orphaned"
    """An object that no file refers to, older than any upload takes."""
    WRONG_SIZE = "wrong_size"
    """An object that has another size than its file."""
    DAMAGED = "damaged"
    """An object that has another checksum than its file, or cannot be read."""
    MISPLACED = "misplaced"
    """A file whose object is in quarantine."""
    FOREIGN = "foreign"
    """Something in the place of objects that has no key of ours; it is never touched."""
    MISCOUNTED = "miscounted"
    """Figures of a project or a package that are not what its rows say."""


class Outcome(StrEnum):
    """The result of a repair."""

    LEFT = "left"
    """Nothing: there was no repair, or nothing can be done."""
    QUARANTINED = "quarantined"
    PUT_BACK = "put_back"
    MENDED = "mended"
    FAILED = "failed"


class Figures(Contract):
    """A check in numbers. Those of findings count what is left of them: what was repaired counts as that."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    objects: Count = 0
    """Objects that it found in storage, without those in quarantine."""
    bytes: Count = 0
    """Their sizes, added up."""
    files: Count = 0
    """Rows of files."""
    verified: Count = 0
    """Objects whose checksums were compared."""
    recent: Count = 0
    """Objects without a file that an upload in flight may still need."""
    going: Count = 0
    """Files whose objects a deletion under way has removed."""
    missing: Count = 0
    orphaned: Count = 0
    orphaned_bytes: Count = 0
    wrong_size: Count = 0
    damaged: Count = 0
    misplaced: Count = 0
    foreign: Count = 0
    miscounted: Count = 0
    in_quarantine: Count = 0
    in_quarantine_bytes: Count = 0
    quarantined: Count = 0
    """Orphaned objects that this check took aside."""
    put_back: Count = 0
    mended: Count = 0
    removed: Count = 0
    """Objects that were in quarantine for long enough, and are gone for good."""
    removed_bytes: Count = 0
    failed: Count = 0
    """Repairs that did not work out."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left that is wrong."""
        return not self.failed and not any(getattr(self, kind.value) for kind in FindingKind)


class ReportedFinding(Contract):
    """A finding as the report of a check keeps it."""

    kind: FindingKind
    key: str | None = None
    project_id: int | None = None
    package: str | None = None
    file_name: str | None = None
    detail: str = ""
    outcome: Outcome = Outcome.LEFT


class CheckReport(Contract):
    """A check that has ended, with its first findings."""

    started_at: datetime
    finished_at: datetime
    repaired: bool
    figures: Figures
    findings: tuple[ReportedFinding, ...] = ()
