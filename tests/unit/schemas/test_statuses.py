from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from schemas.statuses import (
    BEING_DELETED,
    CLAIMABLE,
    DELETION_MOVES,
    DISPLAYABLE,
    ENDED,
    FILE_MOVES,
    FILES_BEING_DELETED,
    IN_ERROR,
    INSTALLABLE,
    PACKAGE_MOVES,
    PUBLISHABLE,
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


def test_a_restore_gives_back_from_wherever_a_deletion_may_have_come() -> None:
    assert {PackageStatus.PROCESSING, PackageStatus.PENDING_DESTRUCTION} == BEING_DELETED
    assert {FileStatus.PROCESSING, FileStatus.PENDING_DESTRUCTION} == FILES_BEING_DELETED
    # A failed deletion left the package in error; one that was in error before stays so.
    assert PACKAGE_MOVES[PackageStatus.ERROR] >= DISPLAYABLE - IN_ERROR


def test_an_upload_may_give_each_package_that_it_takes_each_status_that_it_may_ask_for() -> None:
    for status in INSTALLABLE | IN_ERROR:
        assert PUBLISHABLE - {status} <= PACKAGE_MOVES[status]
