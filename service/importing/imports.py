"""Importing packages from a file: line by line, in batches, each line wholly or not at all."""

from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from pydantic import ValidationError

from schemas.files.imports import ImportedFile, ImportedPackage
from schemas.problems import problems_of
from service.concurrency import bounded_map
from service.errors import PackyardError
from service.importing import rows as import_rows
from service.importing.checks import check_candidates
from service.importing.lines import LONGEST_IMPORT_LINE, Line
from service.importing.local_files import FileRefusedError, Folder, read_file, read_text
from service.importing.rows import ImportCandidate
from service.infra.postgres.database import Database
from service.infra.postgres.outages import REFUSED_ROWS
from service.infra.postgres.repeating import repeated
from service.infra.storage.interface import DELETE_CHUNK, ObjectStore, new_key

_BATCH_LINES: Final = 500
_BATCH_BYTES: Final = 8 * 1024 * 1024
_PARALLEL_PUTS: Final = 16
_MOST_PROBLEMS: Final = 3

log: Final = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that did not go in, and why."""

    line: int
    reason: str


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
) -> AsyncGenerator[BatchReport]:
    """Import *lines* and report each batch as soon as it is committed; files with a path come from *folder*.

    It ends early once more than *max_errors* lines are refused (None: never). Lines after the refused line that exceeds
    this number do not go in. Exception: if the store or the database refused that line, the rest of its batch goes in.

    However the import ends, every line is in wholly or not at all. Objects of lines that are not in are removed if the
    object store can still be reached.
    """
    left = max_errors
    async for batch in _batches(lines):
        report = await _Batch(database, store, folder, max_errors=left).run(batch)
        yield report
        if left is not None and (left := left - len(report.refusals)) < 0:
            return


async def _batches(lines: AsyncIterable[Line]) -> AsyncGenerator[list[Line]]:
    batch: list[Line] = []
    size = 0
    async for line in lines:
        batch.append(line)
        size += len(line.text or b"")
        if len(batch) == _BATCH_LINES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def read_line(line: Line) -> ImportCandidate | RefusedLine:
    """Hold one line against the contract."""
    if line.text is None:
        return RefusedLine(line.number, f"is longer than {LONGEST_IMPORT_LINE} bytes")
    try:
        return ImportCandidate(line.number, ImportedPackage.model_validate_json(line.text.removeprefix(BOM_UTF8)))
    except ValidationError as error:
        sentences = [problem.sentence() for problem in problems_of(error)]
    if (more := len(sentences) - _MOST_PROBLEMS) > 0:
        sentences[_MOST_PROBLEMS:] = [f"and {more} more"]
    return RefusedLine(line.number, "; ".join(sentences).replace(" at line 1 column ", " at column "))


class _Batch:
    """The import of one batch: objects first, then all rows in one transaction, then the removal of what is left."""

    def __init__(
        self, database: Database, store: ObjectStore, folder: Folder | None, *, max_errors: int | None
    ) -> None:
        self._database = database
        self._store = store
        self._folder = folder
        self._max_errors = max_errors
        self._keys: list[str] = []
        self._is_written = False

    async def run(self, lines: Sequence[Line]) -> BatchReport:
        read = [read_line(line) for line in lines]
        refusals = [found for found in read if isinstance(found, RefusedLine)]
        candidates = [found for found in read if isinstance(found, ImportCandidate)]
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
        await self._remove([key for key in self._keys if key not in kept])
        return BatchReport(
            packages=len(written),
            files=len(kept),
            refusals=sorted([*refusals, *_refused(candidates)], key=lambda refusal: refusal.line),
            end=last.end,
        )

    def _last(self, lines: Sequence[Line], refusals: Sequence[RefusedLine]) -> Line:
        """Return the last line that counts: the first whose refusal is one too many."""
        if self._max_errors is None or len(refusals) <= self._max_errors:
            return lines[-1]
        number = sorted(refusal.line for refusal in refusals)[self._max_errors]
        return next(line for line in lines if line.number == number)

    async def _write_all(self, candidates: Sequence[ImportCandidate]) -> list[ImportCandidate]:
        await self._put_files([candidate for candidate in candidates if not candidate.refusal])
        await self._write([candidate for candidate in candidates if not candidate.refusal])
        return [candidate for candidate in candidates if not candidate.refusal]

    async def _put_files(self, candidates: Sequence[ImportCandidate]) -> None:
        files = [(candidate, position) for candidate in candidates for position in range(len(candidate.package.files))]
        await bounded_map(range(len(files)), lambda i: self._put_file(*files[i]), limit=_PARALLEL_PUTS)

    async def _put_file(self, candidate: ImportCandidate, position: int) -> None:
        key = new_key(candidate.project_id)
        self._keys.append(key)
        try:
            chunks = self._open(candidate.package.files[position])
            candidate.objects[position] = await self._store.put(key, chunks)
        except FileRefusedError as error:
            candidate.refusal = f"files[{position}].path: {error}"

    def _open(self, file: ImportedFile) -> AsyncIterable[bytes]:
        if file.path is None or self._folder is None:
            return read_text(file.content or "")
        return read_file(self._folder.find(file.path))

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
            await import_rows.insert(connection, candidates)

    async def _take_back(self) -> None:
        # A commit whose answer was lost may have happened, so the database is asked which objects are its own.
        try:
            kept = await import_rows.find_kept_objects(self._database, self._keys) if self._is_written else set()
        except Exception as error:  # noqa: BLE001 - the failure that brought us here is the one to report
            log.warning("objects_in_doubt", count=len(self._keys), error=repr(error))
            return
        await self._remove([key for key in self._keys if key not in kept])

    async def _remove(self, keys: Sequence[str]) -> None:
        left = 0
        for start in range(0, len(keys), DELETE_CHUNK):
            try:
                left += len(await self._store.delete(keys[start : start + DELETE_CHUNK]))
            except PackyardError:
                left += len(keys[start : start + DELETE_CHUNK])
        if left:
            log.warning("objects_left", count=left)


def _refused(candidates: Sequence[ImportCandidate]) -> list[RefusedLine]:
    return [RefusedLine(candidate.number, candidate.refusal) for candidate in candidates if candidate.refusal]
