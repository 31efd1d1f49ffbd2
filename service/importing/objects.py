"""The objects of a batch of an import: stored before the rows, and removed again when these do not go in."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from service.concurrency import bounded_map
from service.errors import PackyardError
from service.importing.local_files import FileRefusedError, Folder, read_file
from service.importing.rows import ImportCandidate
from service.infra.storage.interface import DELETE_CHUNK, ObjectStore, new_key

_PARALLEL_PUTS: Final = 8
_TOGETHER: Final = 32
"""Files that are stored together, of those whose content is in the line."""

log: Final = structlog.get_logger()


class BatchObjects:
    """The objects of one batch."""

    def __init__(self, store: ObjectStore, folder: Folder | None) -> None:
        self._store = store
        self._folder = folder
        self.keys: list[str] = []
        """All keys under which there may be an object."""

    async def put(self, candidates: Sequence[ImportCandidate]) -> None:
        """Store the files of the candidates; one whose file cannot be read is refused."""
        sources = list(_sources(candidates))
        await bounded_map(range(len(sources)), lambda place: self._put(sources[place]), limit=_PARALLEL_PUTS)

    async def remove_all_but(self, kept: Collection[str]) -> None:
        """Remove the objects without a row; the log says how many could not be removed."""
        keys = [key for key in self.keys if key not in kept]
        left = 0
        for start in range(0, len(keys), DELETE_CHUNK):
            try:
                left += len(await self._store.delete(keys[start : start + DELETE_CHUNK]))
            except PackyardError:
                left += len(keys[start : start + DELETE_CHUNK])
        if left:
            log.warning("objects_left", count=left)

    async def _put(self, together: Sequence["_Source"]) -> None:
        self.keys += [source.key for source in together]
        if together[0].path is not None:
            await self._put_file(together[0], together[0].path)
            return
        stored = await self._store.put_all({source.key: source.content for source in together})
        for source in together:
            source.candidate.objects[source.place] = stored[source.key]

    async def _put_file(self, source: "_Source", path: str) -> None:
        try:
            chunks = read_file(_found(self._folder, path))
            source.candidate.objects[source.place] = await self._store.put(source.key, chunks)
        except FileRefusedError as error:
            source.candidate.refusal = f"files[{source.place}].path: {error}"


def _found(folder: Folder | None, path: str) -> Path:
    if folder is None:
        raise FileRefusedError("--files-from was not given")
    return folder.find(path)


@dataclass(frozen=True, slots=True)
class _Source:
    """A file of a candidate, by its place there: its bytes or the path to them, and the key that it gets."""

    key: str
    candidate: ImportCandidate
    place: int
    content: bytes
    path: str | None


def _sources(candidates: Sequence[ImportCandidate]) -> Iterator[Sequence[_Source]]:
    """Give the files of the candidates: those with a path one by one, the others several together."""
    sources = [
        _Source(new_key(candidate.project_id), candidate, place, (file.content or "").encode(), file.path)
        for candidate in candidates
        for place, file in enumerate(candidate.package.files)
    ]
    yield from ([source] for source in sources if source.path is not None)
    # Sorted, so that few folders have to be made safe on the disk for the files of one put.
    small = sorted((source for source in sources if source.path is None), key=lambda source: source.key.rpartition("/"))
    for start in range(0, len(small), _TOGETHER):
        yield small[start : start + _TOGETHER]
