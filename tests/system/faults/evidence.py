"""Everything that the promises are judged by, gathered once all is quiet: plain SQL and a plain walk."""

import asyncio
import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg

from tests.system.faults.journal import Journal
from tests.system.faults.ledger import Ledger, Package
from tests.system.faults.subscriber import Subscriber
from tests.system.faults.witness import Witness

Row = Mapping[str, Any]

_EVENTS: Final = """
    SELECT id::text, body->>'correlationid' AS deletion_id, body->>'type' AS type, sequence, published_at,
           (body->'data'->>'files')::bigint AS files,
           coalesce(jsonb_array_length(nullif(body->'data'->'package_file_ids', 'null')), 0) AS files_named,
           (body->'data'->>'package_id')::bigint AS package_id
      FROM witness.event
"""
_FILES_TOLD: Final = """
    SELECT file_id::bigint, count(*) AS times
      FROM witness.event
     CROSS JOIN jsonb_array_elements_text(nullif(body->'data'->'package_file_ids', 'null')) AS file_id
     WHERE body->>'type' LIKE 'io.packyard.package%.destroyed.v1'
     GROUP BY file_id
"""
_ENDED: Final = ("succeeded", "failed", "restored")


@dataclass
class Evidence:
    """The end as it is, and what led there."""

    ledger: Ledger
    subscriber: Subscriber
    witness: Witness
    journal: Journal
    lease: float
    packages: dict[int, Row] = field(default_factory=dict)
    files: dict[int, Row] = field(default_factory=dict)
    deletions: dict[UUID, Row] = field(default_factory=dict)
    events: list[Row] = field(default_factory=list)
    files_told: Counter[int] = field(default_factory=Counter)
    """File id -> in how many events it was said to be gone."""

    lapses: list[Row] = field(default_factory=list)
    committed: dict[int, Row] = field(default_factory=dict)
    """File id -> what was noted of every file row that was ever committed."""

    objects: dict[str, Path] = field(default_factory=dict)
    """Key -> where its object is."""

    logged: set[str] = field(default_factory=set)
    """Ids of the events in the stream, which goes back to when the broker was last made."""

    seconds_to_gone: list[float] = field(default_factory=list)

    async def gather(self, database_url: str, storage: Path) -> None:
        """Read the database and the disk."""
        connection = await asyncpg.connect(database_url)
        try:
            self.packages = {row["id"]: row for row in await _rows(connection, "SELECT * FROM package")}
            self.files = {row["id"]: row for row in await _rows(connection, "SELECT * FROM package_file")}
            self.deletions = {row["id"]: row for row in await _rows(connection, "SELECT * FROM deletion")}
            self.events = list(await _rows(connection, _EVENTS))
            self.files_told = Counter({row["file_id"]: row["times"] for row in await _rows(connection, _FILES_TOLD)})
            self.lapses = list(await _rows(connection, "SELECT * FROM witness.lapse"))
            self.committed = {row["file_id"]: row for row in await _rows(connection, "SELECT * FROM witness.file")}
        finally:
            await connection.close()
        self.objects = await asyncio.to_thread(_walk, storage)

    @cached_property
    def deletions_of(self) -> dict[int, list[Row]]:
        """Package -> deletions of the whole of it, the oldest first."""
        found: defaultdict[int, list[Row]] = defaultdict(list)
        for row in sorted(self.deletions.values(), key=lambda row: row["requested_at"]):
            if row["package_file_id"] is None:
                found[row["package_id"]].append(row)
        return dict(found)

    @cached_property
    def batches(self) -> defaultdict[UUID, set[UUID]]:
        """Batch -> the deletions that one call asked for."""
        found: defaultdict[UUID, set[UUID]] = defaultdict(set)
        for row in self.deletions.values():
            if row["batch_id"]:
                found[row["batch_id"]].add(row["id"])
        return found

    @cached_property
    def destroyed_files(self) -> set[int]:
        """The files whose own deletion succeeded."""
        return {row["package_file_id"] for row in self.deletions.values() if row["state"] == "succeeded"} - {None}

    @cached_property
    def destroyed_from(self) -> set[int]:
        """The packages of which a deletion succeeded: of the whole, or of a file, whose package goes with the last."""
        return {row["package_id"] for row in self.deletions.values() if row["state"] == "succeeded"}

    @cached_property
    def failed_files(self) -> set[int]:
        """The files whose own deletion failed: they are in `error`, and their objects may be gone."""
        return {row["package_file_id"] for row in self.deletions.values() if row["state"] == "failed"} - {None}

    @cached_property
    def files_of(self) -> dict[int, dict[int, Row]]:
        """Package -> its file rows by id."""
        found: defaultdict[int, dict[int, Row]] = defaultdict(dict)
        for row in self.files.values():
            found[row["package_id"]][row["id"]] = row
        return dict(found)

    @cached_property
    def keys_of(self) -> dict[int, set[str]]:
        """Package -> the keys of all files that it ever had."""
        found: defaultdict[int, set[str]] = defaultdict(set)
        for row in self.committed.values():
            found[row["package_id"]].add(row["storage_key"])
        return dict(found)

    @property
    def unended(self) -> list[Row]:
        """The deletions that have not come to an end."""
        return [row for row in self.deletions.values() if row["state"] not in _ENDED]

    def was_committed(self, package: Package) -> bool:
        """Return whether the package was ever there, in case its import was in doubt."""
        return not package.is_in_doubt or package.id in self.keys_of

    def is_whole(self, file: Row, sha256: str | None = None) -> bool:
        """Return whether the file's object is there with the right bytes."""
        path = self.objects.get(file["storage_key"])
        found = hashlib.sha256(path.read_bytes()).hexdigest() if path else None
        return found == file["sha256"].hex() and sha256 in {None, found}


def _walk(storage: Path) -> dict[str, Path]:
    paths = (Path(folder) / name for folder, _, names in os.walk(storage) for name in names)
    return {str(path.relative_to(storage)): path for path in paths}


async def _rows(connection: "asyncpg.Connection[asyncpg.Record]", sql: str) -> list[Any]:
    rows: list[Any] = await connection.fetch(sql)
    return rows
