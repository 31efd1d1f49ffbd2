"""When a process is taken for dead."""

import asyncio

import pytest

from service.observing.liveness import Vitals


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_loop_that_does_not_turn_is_named_and_one_that_ended_or_turns_is_not() -> None:
    clock = _Clock()
    vitals = Vitals(clock=clock)
    with vitals.loop("stuck"), vitals.loop("well") as beat:
        with vitals.loop("over"):
            clock.now = 100
            beat()
            assert vitals.silent() == []
        clock.now = 200
        assert vitals.silent() == ["stuck"]
    assert vitals.silent() == []


def test_loops_of_one_name_are_watched_each_by_itself() -> None:
    clock = _Clock()
    vitals = Vitals(clock=clock)
    with vitals.loop("relay"):
        with vitals.loop("relay") as beat:
            clock.now = 200
            beat()
            assert vitals.silent() == ["relay"]
        assert vitals.silent() == ["relay"]
    assert vitals.silent() == []


def test_a_loop_that_broke_is_not_missed() -> None:
    clock = _Clock()
    vitals = Vitals(clock=clock)
    with pytest.raises(ConnectionError), vitals.loop("consumers"):
        raise ConnectionError
    clock.now = 1_000

    assert vitals.silent() == []


def test_a_process_stops_when_it_was_told_to() -> None:
    stop = asyncio.Event()
    vitals = Vitals(stop)
    assert not vitals.is_stopping

    stop.set()

    assert vitals.is_stopping
