from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from schemas.statuses import (
    CLAIMABLE,
    DELETION_MOVES,
    DISPLAYABLE,
    ENDED,
    FILE_MOVES,
    PACKAGE_MOVES,
    RESTORABLE,
    DeletionState,
    FileStatus,
    PackageStatus,
    sources_of,
)

_TABLES: list[tuple[type[StrEnum], Mapping[Any, frozenset[Any]]]] = [
    (PackageStatus, PACKAGE_MOVES),
    (FileStatus, FILE_MOVES),
    (DeletionState, DELETION_MOVES),
]


@pytest.mark.parametrize(("kind", "moves"), _TABLES)
def test_every_status_has_its_line_in_the_table_of_moves(
    kind: type[StrEnum], moves: Mapping[Any, frozenset[Any]]
) -> None:
    assert set(moves) == set(kind)
    assert all(set(targets) <= set(kind) for targets in moves.values())


@pytest.mark.parametrize(("kind", "moves"), _TABLES)
def test_sources_are_the_moves_read_backwards(kind: type[StrEnum], moves: Mapping[Any, frozenset[Any]]) -> None:
    for target in kind:
        for status in kind:
            assert (status in sources_of(moves, target)) == (target in moves[status])


def test_every_displayable_package_can_be_deleted_and_nothing_else() -> None:
    assert set(sources_of(PACKAGE_MOVES, PackageStatus.PROCESSING)) == DISPLAYABLE


def test_a_package_is_marked_only_after_its_deletion_was_accepted() -> None:
    assert sources_of(PACKAGE_MOVES, PackageStatus.PENDING_DESTRUCTION) == [PackageStatus.PROCESSING]


def test_nothing_can_be_restored_while_a_worker_destroys_or_is_to_go_on() -> None:
    waiting = {DeletionState.QUEUED, DeletionState.GRACE, DeletionState.RETRYING}
    assert waiting | {DeletionState.FAILED} == RESTORABLE


def test_what_has_ended_is_never_claimed() -> None:
    assert not CLAIMABLE & ENDED
    assert all(not DELETION_MOVES[state] for state in ENDED - {DeletionState.FAILED})
