"""Comparing storage and database, and putting right what can be."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from schemas.checks import Figures, FindingKind, Outcome
from service.catalogue import statistics
from service.catalogue.rows.statistics import Miscount
from service.errors import PackyardError, StartError, StorageUnavailableError
from service.infra.postgres.database import Database
from service.infra.postgres.sessions.advisory_locks import ProcessLock
from service.infra.storage.interface import ObjectStore
from service.storage_check import rows as checking_rows
from service.storage_check.comparison import Piece, compare
from service.storage_check.findings import OBJECTS, QUARANTINE, Finding, Judge, Tally
from service.storage_check.quarantine import Quarantine
from service.storage_check.rows import CheckedFile, Reading
from service.storage_check.verification import verify

_PAGE: Final = 500
_FEW: Final = 1_000
"""So many objects without a file are plausible, whatever else there is."""


@dataclass(frozen=True, slots=True)
class CheckPlan:
    """The work of a check."""

    orphan_age: timedelta
    quarantine_retention: timedelta
    repair: bool = False
    force: bool = False
    """Repair even if most objects have no file."""
    verify: bool = False
    verify_anew: bool = False

    @property
    def is_exclusive(self) -> bool:
        """Whether no other check like it may run at the same time."""
        return self.repair or self.verify


class StorageCheck:
    """One check; its figures grow while the findings come. Memory does not grow with what is checked."""

    def __init__(self, database: Database, store: ObjectStore, plan: CheckPlan) -> None:
        """Prepare a check of this instance."""
        self._database = database
        self._store = store
        self._plan = plan
        self._tally = Tally()
        self._quarantine = Quarantine(database, store)

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        """Keep out other checks that repair or verify as long as the block runs, if this one does so, too.

        The block is cancelled when another one could begin.

        Raises:
            StartError: another check is under way.
            DatabaseAwayError: the database has ended the session that keeps others out, or is silent.
        """
        if not self._plan.is_exclusive:
            yield
            return
        async with self._database.lock(ProcessLock.CHECK) as lock:
            if not await lock.acquire():
                holder = await lock.holder()
                raise StartError(
                    f"another check that repairs or verifies is under way: {holder or 'it has just ended'}"
                )
            yield

    @property
    def figures(self) -> Figures:
        """The figures so far."""
        return self._tally.figures()

    async def findings(self) -> AsyncGenerator[Sequence[Finding]]:
        """Check, and give the findings in pieces, repaired if that was wanted; empty pieces show that it continues.

        A check that repairs or verifies has to run within `alone`.

        Raises:
            StartError: the repair is refused, since the store seems to be another instance's.
            StorageUnavailableError, StorageRefusedError: the store cannot be read to the end.
        """
        if self._plan.repair:
            await self._require_plausible()
            await self._quarantine.finish()
        parts = [self._objects(), self._in_quarantine(), self._miscounts()]
        parts += [self._verified()] if self._plan.verify else []
        parts.append(self._damaged())
        for part in parts:
            async with aclosing(part) as pieces:
                async for found in pieces:
                    for finding in found:
                        self._tally.add_finding(finding)
                    yield found
        if not await self._store.is_ours():
            raise StorageUnavailableError("the objects of this instance are not there")

    async def _comparison(self) -> AsyncGenerator[Piece]:
        files = checking_rows.files(self._database)
        async with aclosing(files), aclosing(compare(self._store.list(OBJECTS), files)) as pieces:
            async for piece in pieces:
                yield piece

    async def _require_plausible(self) -> None:
        objects = strangers = 0
        async for piece in self._comparison():
            objects += piece.objects
            strangers += len(piece.without_file)
        if strangers > max(_FEW, objects // 2) and not self._plan.force:
            raise StartError(
                f"{strangers} of {objects} objects have no file: is this the database of these objects? "
                "Nothing was repaired; --force does it all the same"
            )

    async def _objects(self) -> AsyncGenerator[Sequence[Finding]]:
        judge = Judge(self._database, self._store, self._tally, orphan_age=self._plan.orphan_age)
        async for piece in self._comparison():
            self._tally.add(objects=piece.objects, bytes=piece.bytes, files=piece.files)
            found = await judge.findings(piece)
            yield await self._repaired(found) if self._plan.repair else found

    async def _repaired(self, found: Sequence[Finding]) -> list[Finding]:
        orphans = {
            finding.key: finding.size or 0
            for finding in found
            if finding.kind is FindingKind.ORPHANED and finding.key is not None
        }
        taken = await self._quarantine.take(orphans) if orphans else {}
        ended: list[Finding] = []
        for finding in found:
            if finding.key in taken:
                ended.append(_after(finding, Outcome.QUARANTINED, taken[finding.key]))
            elif finding.kind is FindingKind.MISPLACED and finding.key is not None:
                ended.append(_after(finding, Outcome.PUT_BACK, await self._put_back(finding.key)))
            elif finding.key not in orphans:
                ended.append(finding)
        return ended

    async def _put_back(self, key: str) -> str | None:
        try:
            await self._quarantine.put_back(key)
        except PackyardError as error:
            return str(error)
        return None

    async def _in_quarantine(self) -> AsyncGenerator[Sequence[Finding]]:
        if self._plan.repair:
            async for one, failure in self._quarantine.remove_expired(self._plan.quarantine_retention):
                counts = {"failed": 1} if failure else {"removed": 1, "removed_bytes": one.size}
                self._tally.add(**counts)
        async for piece in self._store.list(QUARANTINE):
            self._tally.add(in_quarantine=len(piece), in_quarantine_bytes=sum(found.size for found in piece))
            if self._plan.repair:
                await self._quarantine.adopt_unknown(piece)
            yield ()

    async def _miscounts(self) -> AsyncGenerator[Sequence[Finding]]:
        outcome = Outcome.MENDED if self._plan.repair else Outcome.LEFT
        async for miscounts in statistics.miscounts(self._database, mend=self._plan.repair):
            yield [_miscounted(miscount).ended(outcome) for miscount in miscounts]

    async def _verified(self) -> AsyncGenerator[Sequence[Finding]]:
        async for step in verify(self._database, self._store, anew=self._plan.verify_anew):
            self._tally.add(verified=step.objects)
            yield ()

    async def _damaged(self) -> AsyncGenerator[Sequence[Finding]]:
        position = ""
        while True:
            async with self._database.connection() as connection:
                rows = await checking_rows.damaged_behind(connection, position, limit=_PAGE)
            if not rows:
                return
            position = rows[-1][0].key
            yield [
                Finding(
                    FindingKind.DAMAGED,
                    file.key,
                    file=file,
                    detail=_harm(reading, file),
                )
                for file, reading in rows
            ]


def _harm(reading: Reading, file: CheckedFile) -> str:
    if reading.sha256 is None:
        return f"cannot be read: {reading.failure}"
    return f"has the SHA-256 {reading.sha256.hex()}, should have {file.sha256.hex()}"


def _after(finding: Finding, outcome: Outcome, failure: str | None) -> Finding:
    return finding.ended(Outcome.FAILED, failure) if failure else finding.ended(outcome)


def _miscounted(miscount: Miscount) -> Finding:
    differences = ", ".join(
        f"{name} {miscount.kept[name]} instead of {expected}"
        for name, expected in miscount.expected.items()
        if miscount.kept[name] != expected
    )
    of = f"package {miscount.package_id} ({miscount.package})" if miscount.package_id else miscount.package_type
    return Finding(FindingKind.MISCOUNTED, project_id=miscount.project_id, detail=f"{of}: {differences}")
