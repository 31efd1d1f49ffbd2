"""The decisions that the test of scaling needs, against the documents of Kubernetes."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.system.scaling.autoscaler import Autoscaler
from tests.system.scaling.manifest import Pace, QueryTrigger, QueueTrigger, Scaling, read_scaling

_SCALING = Scaling(
    least=1,
    most=8,
    poll_s=15,
    up=Pace(window_s=0, workers=4, period_s=30),
    down=Pace(window_s=300, workers=1, period_s=60),
    triggers=[],
)


def _run(scaling: Scaling, values: Sequence[float], *, current: int = 1) -> list[int]:
    """Return the number after each reading, 15 s apart, at a figure of which each worker has 20."""
    autoscaler, numbers = Autoscaler(scaling), []
    for look, value in enumerate(values):
        current = autoscaler.decide(15.0 * look, current, [(value, 20)])
        numbers.append(current)
    return numbers


def test_up_goes_at_once_by_four_in_half_a_minute_and_not_beyond_the_most() -> None:
    assert _run(_SCALING, [1_000] * 5) == [5, 5, 8, 8, 8]


def test_down_goes_after_five_minutes_one_a_minute_and_not_below_the_least() -> None:
    numbers = _run(_SCALING, [1_000] * 4 + [0] * 60)

    assert numbers[:4] == [5, 5, 8, 8]
    assert numbers[4:23] == [8] * 19
    assert numbers[24:53:4] == [7, 6, 5, 4, 3, 2, 1, 1]


def test_a_peak_in_between_keeps_the_number_for_another_five_minutes() -> None:
    numbers = _run(_SCALING, [160] * 4 + [0] * 10 + [160] + [0] * 20)

    assert numbers[3:34] == [8] * 31


@pytest.mark.parametrize(("value", "number"), [(65, 3), (67, 4), (54, 3), (40, 2), (39, 2)])
def test_what_is_near_the_target_is_left_alone(value: float, number: int) -> None:
    hasty = replace(_SCALING, down=Pace(window_s=0, workers=8, period_s=15))

    assert _run(hasty, [value], current=3) == [number]


def test_the_largest_figure_counts() -> None:
    assert Autoscaler(_SCALING).decide(0, 1, [(20, 20), (150, 50)]) == 3


def test_the_chart_scales_bulk_workers_from_one_to_eight_by_queue_and_by_what_is_due() -> None:
    scaling = read_scaling("bulk")

    assert (scaling.least, scaling.most, scaling.up, scaling.down) == (1, 8, _SCALING.up, _SCALING.down)
    queue, due = scaling.triggers
    assert queue == QueueTrigger("packyard.delete.bulk", 20)
    assert isinstance(due, QueryTrigger)
    assert "lane = 'bulk'" in due.query
