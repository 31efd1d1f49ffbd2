"""Importing packages from a file: line by line, in batches, each line wholly or not at all."""

from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

import structlog

from service.events import outbox
from service.importing import rows as import_rows
from service.importing.announcing import announcements
from service.importing.checks import check_candidates
from service.importing.lines import Line
from service.importing.local_files import Folder
from service.importing.objects import BatchObjects
from service.importing.reading import ReadLine, RefusedLine, read_batches
from service.importing.rows import ImportCandidate
from service.infra.postgres.database import Database
from service.infra.postgres.outages import REFUSED_ROWS
from service.infra.postgres.repeating import repeated
from service.infra.storage.interface import ObjectStore

log: Final = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BatchReport:
    """The result of a batch of lines; `end` is the position in the stream after its last line."""

    packages: int
    files: int
    refusals: Sequence[RefusedLine]
    end: int


async def import_packages(
    database: Database,
    store: ObjectStore,
    *,
    lines: AsyncIterable[Line],
    folder: Folder | None,
    max_errors: int | None = None,
    announces: bool = False,
) -> AsyncGenerator[BatchReport]:
    """Import *lines* and report each batch as soon as it is committed; files with a path come from *folder*.

    It ends early once more than *max_errors* lines are refused (None: never). Lines after the refused line that exceeds
    this number do not go in. Exception: if the store or the database refused that line, the rest of its batch goes in.

    *announces*: whether each package that can be installed gives a `package.published`.

    However the import ends, every line is in wholly or not at all. Objects of lines that are not in are removed if the
    object store can still be reached.
    """
    left = max_errors
    async with aclosing(read_batches(lines)) as batches:
        async for batch in batches:
            report = await _Batch(database, store, folder, max_errors=left, announces=announces).run(batch)
            yield report
            if left is not None and (left := left - len(report.refusals)) < 0:
                return


class _Batch:
    """The import of one batch: objects first, then all rows in one transaction, then the removal of what is left."""

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        folder: Folder | None,
        *,
        max_errors: int | None,
        announces: bool,
    ) -> None:
        self._database = database
        self._folder = folder
        self._max_errors = max_errors
        self._announces = announces
        self._objects = BatchObjects(store, folder)
        self._is_written = False

    async def run(self, lines: Sequence[ReadLine]) -> BatchReport:
        refusals = [line.found for line in lines if isinstance(line.found, RefusedLine)]
        candidates = [line.found for line in lines if isinstance(line.found, ImportCandidate)]
        async with self._database.connection() as connection:
            await check_candidates(connection, candidates, folder=self._folder)
        last = self._last(lines, [*refusals, *_refused(candidates)])
        refusals = [refusal for refusal in refusals if refusal.line <= last.number]
        candidates = [candidate for candidate in candidates if candidate.number <= last.number]
        try:
            written = await self._write_all(candidates)
        except BaseException:
            await self._take_back()
            raise
        kept = {stored.key for candidate in written for stored in candidate.objects.values()}
        await self._objects.remove_all_but(kept)
        return BatchReport(
            packages=len(written),
            files=len(kept),
            refusals=sorted([*refusals, *_refused(candidates)], key=lambda refusal: refusal.line),
            end=last.end,
        )

    def _last(self, lines: Sequence[ReadLine], refusals: Sequence[RefusedLine]) -> ReadLine:
        """Return the last line that counts: the first whose refusal is one too many."""
        if self._max_errors is None or len(refusals) <= self._max_errors:
            return lines[-1]
        number = sorted(refusal.line for refusal in refusals)[self._max_errors]
        return next(line for line in lines if line.number == number)

    async def _write_all(self, candidates: Sequence[ImportCandidate]) -> list[ImportCandidate]:
        await self._objects.put([candidate for candidate in candidates if not candidate.refusal])
        await self._write([candidate for candidate in candidates if not candidate.refusal])
        return [candidate for candidate in candidates if not candidate.refusal]

    async def _write(self, candidates: Sequence[ImportCandidate]) -> None:
        # The checks cannot foresee writes of other sessions; such a conflict costs one line and not its batch.
        if not candidates:
            return
        self._is_written = True
        try:
            await self._insert(candidates)
        except REFUSED_ROWS as error:
            if len(candidates) == 1:
                candidates[0].refusal = f"the database refuses it: {str(error).splitlines()[0]}"
                return
            middle = len(candidates) // 2
            await self._write(candidates[:middle])
            await self._write(candidates[middle:])

    @repeated
    async def _insert(self, candidates: Sequence[ImportCandidate]) -> None:
        async with self._database.transaction() as connection:
            imported = await import_rows.insert(connection, candidates)
            if self._announces:
                await outbox.append(connection, list(announcements(candidates, imported)))

    async def _take_back(self) -> None:
        # A commit whose answer was lost may have happened, so the database is asked which objects are its own.
        keys = self._objects.keys
        try:
            kept = await import_rows.find_kept_objects(self._database, keys) if self._is_written else set()
        except Exception as error:  # noqa: BLE001 - the failure that brought us here is the one to report
            log.warning("objects_in_doubt", count=len(keys), error=repr(error))
            return
        await self._objects.remove_all_but(kept)


def _refused(candidates: Sequence[ImportCandidate]) -> list[RefusedLine]:
    return [RefusedLine(candidate.number, candidate.refusal) for candidate in candidates if candidate.refusal]
