"""The requests of clients and the answers that they got: the end is compared with these alone."""

import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(slots=True)
class Package:
    """A package as its publisher knows it."""

    id: int
    project_id: int
    name: str
    version: str
    files: dict[int, str] = field(default_factory=dict)
    """File id -> SHA-256 of the bytes that were sent."""

    is_in_doubt: bool = False
    """Its import was not confirmed: it is there as a whole, or not at all."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A DELETE that was answered with 204 or 202."""

    deletion_id: UUID
    package_id: int
    file_id: int | None
    at: float


@dataclass(frozen=True, slots=True)
class Sending:
    """A file on its way to the API."""

    project_id: int
    name: str
    version: str
    file_name: str
    sha256: str


class Ledger:
    """Every answer that a client got, and every question that got none."""

    def __init__(self) -> None:
        self.packages: dict[int, Package] = {}
        self.accepted: dict[UUID, Accepted] = {}
        self.uploaded_at: list[float] = []
        """When each upload of a file was confirmed."""

        self.batches: dict[UUID, frozenset[UUID]] = {}
        """Deletions that one call asked for."""

        self.restored: set[UUID] = set()
        self.retried: set[UUID] = set()
        self.uploads_in_doubt: set[Sending] = set()
        self.deletes_in_doubt: set[tuple[int, int | None]] = set()
        """Packages, or files of them, that may have been deleted."""

        self.restores_in_doubt: set[UUID] = set()
        self.surprises: list[str] = []
        """Answers that no fault explains."""

        self.answers: Counter[str] = Counter()

    def published(self, package: Package) -> None:
        """Note a package that a client knows to be there."""
        self.packages[package.id] = package

    def was_accepted(self, deletion_id: UUID, package_id: int, file_id: int | None) -> None:
        """Note a 204 or 202."""
        self.accepted[deletion_id] = Accepted(deletion_id, package_id, file_id, time.time())
