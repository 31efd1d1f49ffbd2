"""Two streams in the same order, compared piece by piece: what is in storage, and what rows say."""

from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from service.infra.storage.interface import ObjectInfo
from service.storage_check.rows import FileObject


class _Keyed(Protocol):
    @property
    def key(self) -> str: ...


_T = TypeVar("_T", bound=_Keyed)


@dataclass(slots=True)
class Piece:
    """The result for a part of the streams: how much there was, and which entries do not match."""

    objects: int = 0
    bytes: int = 0
    files: int = 0
    without_file: list[ObjectInfo] = field(default_factory=list)
    without_object: list[FileObject] = field(default_factory=list)
    of_other_size: list[ObjectInfo] = field(default_factory=list)


async def compare(
    objects: AsyncIterator[Sequence[ObjectInfo]], files: AsyncIterator[Sequence[FileObject]]
) -> AsyncGenerator[Piece]:
    """Give in pieces the keys that are on one side only, or differ in size; each side comes by key, in pages.

    The sides are of different moments, so each difference has to be checked again. A store that lists in another order
    may cause false positives, never false negatives.
    """
    left, right = _Side(objects), _Side(files)
    while True:
        await left.fill()
        await right.fill()
        ends = [side.rest[-1].key for side in (left, right) if side.rest]
        if not ends:
            return
        # We compare up to the last key that both sides have reached.
        bound = min(ends)
        yield _compared(left.take(bound), right.take(bound))


class _Side(Generic[_T]):
    def __init__(self, pieces: AsyncIterator[Sequence[_T]]) -> None:
        self._pieces = pieces
        self.rest: Sequence[_T] = ()

    async def fill(self) -> None:
        while not self.rest:
            try:
                self.rest = await anext(self._pieces)
            except StopAsyncIteration:
                return

    def take(self, bound: str) -> Sequence[_T]:
        if self.rest and self.rest[-1].key <= bound:
            end = len(self.rest)  # whatever its order is
        else:
            end = bisect_right(self.rest, bound, key=lambda element: element.key)
        taken, self.rest = self.rest[:end], self.rest[end:]
        return taken


def _compared(objects: Sequence[ObjectInfo], files: Sequence[FileObject]) -> Piece:
    piece = Piece(objects=len(objects), bytes=sum(found.size for found in objects), files=len(files))
    unmatched = {found.key: found for found in objects}
    for file in files:
        found = unmatched.pop(file.key, None)
        if found is None:
            piece.without_object.append(file)
        elif found.size != file.size:
            piece.of_other_size.append(found)
    piece.without_file.extend(unmatched.values())
    return piece
