"""Two streams held against each other: whatever their pieces are, the result is that of two sets."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from service.infra.storage.interface import ObjectInfo
from service.storage_check.comparison import Piece, compare
from service.storage_check.rows import FileObject

_T = TypeVar("_T")
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_SIDES = st.dictionaries(st.text("aZ0/-._é\U0001f4e6", max_size=4), st.integers(0, 3), max_size=12)
_LENGTHS = st.lists(st.integers(0, 4), max_size=12)


async def _pieces(elements: Sequence[_T], lengths: Sequence[int]) -> AsyncIterator[Sequence[_T]]:
    start = 0
    for length in lengths:
        yield elements[start : start + length]
        start += length
    yield elements[start:]


async def _compared(objects: AsyncIterator[Sequence[ObjectInfo]], files: AsyncIterator[Sequence[FileObject]]) -> Piece:
    whole = Piece()
    async for piece in compare(objects, files):
        whole.objects += piece.objects
        whole.bytes += piece.bytes
        whole.files += piece.files
        whole.without_file += piece.without_file
        whole.without_object += piece.without_object
        whole.of_other_size += piece.of_other_size
    return whole


@given(objects=_SIDES, files=_SIDES, object_lengths=_LENGTHS, file_lengths=_LENGTHS)
def test_what_is_on_one_side_only_or_differs_is_found_whatever_the_pieces_are(
    objects: dict[str, int], files: dict[str, int], object_lengths: list[int], file_lengths: list[int]
) -> None:
    # In the order of bytes, as stores list and the database sorts.
    left = [ObjectInfo(key, objects[key], _MOMENT) for key in sorted(objects, key=str.encode)]
    right = [FileObject(key, files[key]) for key in sorted(files, key=str.encode)]

    whole = asyncio.run(_compared(_pieces(left, object_lengths), _pieces(right, file_lengths)))

    assert (whole.objects, whole.bytes, whole.files) == (len(objects), sum(objects.values()), len(files))
    assert {found.key for found in whole.without_file} == objects.keys() - files.keys()
    assert {file.key for file in whole.without_object} == files.keys() - objects.keys()
    assert {found.key for found in whole.of_other_size} == {
        key for key in objects.keys() & files.keys() if objects[key] != files[key]
    }


@given(objects=st.permutations(list("abcdefgh")), files=st.permutations(list("cdefghij")), lengths=_LENGTHS)
def test_a_store_that_lists_in_another_order_hides_nothing(
    objects: list[str], files: list[str], lengths: list[int]
) -> None:
    left = [ObjectInfo(key, 1, _MOMENT) for key in objects]
    right = [FileObject(key, 1) for key in files]

    whole = asyncio.run(_compared(_pieces(left, lengths), _pieces(right, lengths)))

    assert {found.key for found in whole.without_file} >= set("ab")
    assert {file.key for file in whole.without_object} >= set("ij")
    assert (whole.objects, whole.files) == (8, 8)
