from datetime import timedelta

import pytest

from service.deletions.outcome import Failure
from service.errors import ObjectStuckError, StorageRefusedError, StorageUnavailableError
from workers.deleter.attempts import gravest, judge, pause_after

_BACKOFF = timedelta(seconds=5)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 5), (2, 25), (3, 125), (4, 625), (5, 3125), (6, 3600), (99, 3600)]
)
def test_pauses_grow_fivefold_up_to_an_hour(attempts: int, seconds: int) -> None:
    assert pause_after(attempts, backoff=_BACKOFF, chance=0.5) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 0.8), (1.0, 1.2)])
def test_pauses_are_spread_by_a_fifth_to_either_side(chance: float, factor: float) -> None:
    assert pause_after(1, backoff=_BACKOFF, chance=chance) == _BACKOFF * factor


def test_a_stuck_object_is_tried_again() -> None:
    failure = judge(ObjectStuckError("status 500"), attempts=1, max_attempts=3, backoff=_BACKOFF, chance=0.5)

    assert failure == Failure("ObjectStuckError: status 500", pause=_BACKOFF)


def test_the_last_attempt_is_final() -> None:
    failure = judge(ObjectStuckError("status 500"), attempts=3, max_attempts=3, backoff=_BACKOFF, chance=0.5)

    assert failure.pause is None


@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_an_outage_is_no_attempt_and_its_pause_is_short(attempts: int, chance: float) -> None:
    error = StorageUnavailableError("no route")
    failure = judge(error, attempts=attempts, max_attempts=3, backoff=timedelta(hours=1), chance=chance)

    assert not failure.is_attempt
    assert failure.pause is not None
    assert failure.pause <= timedelta(seconds=15)


def test_a_refusal_is_final_at_once_unless_other_objects_went() -> None:
    error = StorageRefusedError("denied")
    refused = judge(error, attempts=1, max_attempts=3, backoff=_BACKOFF, chance=0.5)
    advanced = judge(error, attempts=1, max_attempts=3, backoff=_BACKOFF, chance=0.5, advanced=True)

    assert (refused.pause, advanced.pause) == (None, _BACKOFF)


def test_a_refusal_says_more_than_a_stuck_object_and_that_more_than_an_outage() -> None:
    errors = [StorageUnavailableError("away"), ObjectStuckError("status 500"), StorageRefusedError("denied")]

    assert [gravest(errors[:number]) for number in (1, 2, 3)] == errors
