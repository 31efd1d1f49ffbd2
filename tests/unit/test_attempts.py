from datetime import timedelta

import pytest

from service.errors import StorageRefusedError, StorageUnavailableError
from workers.attempts import judge, pause_after

_BACKOFF = timedelta(seconds=5)


@pytest.mark.parametrize(
    ("attempts", "seconds"), [(1, 5), (2, 25), (3, 125), (4, 625), (5, 3125), (6, 3600), (99, 3600)]
)
def test_pauses_grow_fivefold_up_to_an_hour(attempts: int, seconds: int) -> None:
    assert pause_after(attempts, backoff=_BACKOFF, chance=0.5) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 0.8), (1.0, 1.2)])
def test_pauses_are_spread_by_a_fifth_to_either_side(chance: float, factor: float) -> None:
    assert pause_after(1, backoff=_BACKOFF, chance=chance) == _BACKOFF * factor


def test_a_store_that_is_away_is_tried_again() -> None:
    failure = judge(StorageUnavailableError("no route"), attempts=1, max_attempts=3, backoff=_BACKOFF, chance=0.5)

    assert failure.pause == _BACKOFF
    assert failure.reason == "StorageUnavailableError: no route"


def test_the_last_attempt_is_final() -> None:
    failure = judge(StorageUnavailableError("no route"), attempts=3, max_attempts=3, backoff=_BACKOFF, chance=0.5)

    assert failure.pause is None


def test_a_refusal_is_final_at_once() -> None:
    failure = judge(StorageRefusedError("denied"), attempts=1, max_attempts=3, backoff=_BACKOFF, chance=0.5)

    assert failure.pause is None
