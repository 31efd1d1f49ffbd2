"""Checking differences again: only a difference that is certain becomes a finding.

Storage and rows are read at different moments, while files are published and deleted. A difference may have been
an upload or a deletion under way. It is checked again, in an order in which nothing that is right can seem wrong.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from schemas.checks import Figures, FindingKind, Outcome
from service.concurrency import bounded_map
from service.errors import StorageUnavailableError
from service.infra.postgres.database import Database
from service.infra.storage.interface import ObjectInfo, ObjectStore
from service.storage_check.comparison import Piece
from service.storage_check.rows import CheckedFile, files_of

OBJECTS: Final = "projects/"
"""The prefix of our objects; we do not read other objects of a store."""

QUARANTINE: Final = "quarantine/"
"""Where orphaned objects are taken: this, and then their key."""

_KEY: Final = re.compile(r"projects/[0-9]+/[0-9a-f]{2}/[0-9a-f]{32}")
_PARALLEL: Final = 16


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault: its object or figures, as they are and as they should be, and the repair that was done."""

    kind: FindingKind
    key: str | None = None
    size: int | None = None
    """The bytes of the object."""
    modified: datetime | None = None
    file: CheckedFile | None = None
    project_id: int | None = None
    detail: str = ""
    outcome: Outcome = Outcome.LEFT
    reason: str | None = None
    """Why the repair failed."""

    def ended(self, outcome: Outcome, reason: str | None = None) -> "Finding":
        """Return it with what was done about it."""
        return replace(self, outcome=outcome, reason=reason)


@dataclass(slots=True)
class Tally:
    """The figures of a check that is under way, by name."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, **counts: int) -> None:
        """Add to some figures."""
        for name, count in counts.items():
            self.counts[name] = self.counts.get(name, 0) + count

    def add_finding(self, finding: Finding) -> None:
        """Count a finding: as what it is, or as what was done about it."""
        match finding.outcome:
            case Outcome.LEFT:
                name = finding.kind.value
            case Outcome.FAILED:
                name = finding.kind.value
                self.add(failed=1)
            case _:
                name = finding.outcome.value
        self.add(**{name: 1})
        if name == FindingKind.ORPHANED:
            self.add(orphaned_bytes=finding.size or 0)

    def figures(self) -> Figures:
        """Return all that was counted."""
        return Figures.model_validate(self.counts)


def is_key(key: str) -> bool:
    """Return whether an upload may have made that key."""
    return _KEY.fullmatch(key) is not None


class Judge:
    """Says what in a piece of a comparison is wrong for certain."""

    def __init__(self, database: Database, store: ObjectStore, tally: Tally, *, orphan_age: timedelta) -> None:
        """Count in *tally* what is not wrong, but on its way."""
        self._database = database
        self._store = store
        self._tally = tally
        self._newest = datetime.now(UTC) - orphan_age

    async def findings(self, piece: Piece) -> list[Finding]:
        """Return the findings of the piece, by key."""
        found = await self._without_file(piece.without_file)
        found += await self._without_object([file.key for file in piece.without_object])
        found += await self._of_other_size(piece.of_other_size)
        return sorted(found, key=lambda finding: finding.key or "")

    async def _without_file(self, objects: Sequence[ObjectInfo]) -> list[Finding]:
        ours = {found.key: found for found in objects if is_key(found.key)}
        findings = [
            Finding(FindingKind.FOREIGN, found.key, found.size, found.modified, detail="has no key of ours")
            for found in objects
            if found.key not in ours
        ]
        files = await self._files(ours)
        # Uploads of these have committed since the listing.
        findings += [finding for key, file in files.items() if (finding := _of_wrong_size(ours[key], file))]
        orphans = [found for key, found in ours.items() if key not in files]
        old = [found for found in orphans if found.modified <= self._newest]
        self._tally.add(recent=len(orphans) - len(old))
        # Deletions of these may have ended since the listing: the object is removed first, and then the row.
        there = await self._heads([found.key for found in old])
        findings += [
            Finding(FindingKind.ORPHANED, found.key, found.size, found.modified, detail="no file refers to it")
            for found in old
            if there[found.key]
        ]
        return findings

    async def _without_object(self, keys: Sequence[str]) -> list[Finding]:
        there = await self._heads(keys)
        missing = [key for key, found in there.items() if not found]
        # The rows are read after the objects: a worker that removes an object has said so in the database before.
        files = await self._files(keys)
        findings = [
            finding
            for key, found in there.items()
            if found and key in files and (finding := _of_wrong_size(found, files[key]))
        ]
        gone = [files[key] for key in missing if key in files]
        self._tally.add(going=sum(file.is_going for file in gone))
        gone = [file for file in gone if not file.is_going]
        if gone and not await self._store.is_ours():
            raise StorageUnavailableError("the objects of this instance are not there")
        aside = await self._heads([QUARANTINE + file.key for file in gone])
        return findings + [_missing(file, aside[QUARANTINE + file.key]) for file in gone]

    async def _of_other_size(self, objects: Sequence[ObjectInfo]) -> list[Finding]:
        files = await self._files([found.key for found in objects])
        return [
            finding for found in objects if found.key in files and (finding := _of_wrong_size(found, files[found.key]))
        ]

    async def _files(self, keys: Collection[str]) -> Mapping[str, CheckedFile]:
        if not keys:
            return {}
        async with self._database.connection() as connection:
            return await files_of(connection, keys)

    async def _heads(self, keys: Sequence[str]) -> dict[str, ObjectInfo | None]:
        return await bounded_map(keys, self._store.head, limit=_PARALLEL)


def _missing(file: CheckedFile, aside: ObjectInfo | None) -> Finding:
    if aside:
        detail = "its object is in quarantine"
        return Finding(FindingKind.MISPLACED, file.key, aside.size, aside.modified, file=file, detail=detail)
    return Finding(FindingKind.MISSING, file.key, file=file, detail="its object is not in storage")


def _of_wrong_size(found: ObjectInfo, file: CheckedFile) -> Finding | None:
    if found.size == file.size:
        return None
    detail = f"has {found.size} bytes, should have {file.size}"
    return Finding(FindingKind.WRONG_SIZE, found.key, found.size, found.modified, file=file, detail=detail)
