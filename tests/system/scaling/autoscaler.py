"""The decisions of the HorizontalPodAutoscaler that KEDA makes of a ScaledObject; no clock of its own, no I/O."""

import math
from collections import deque
from collections.abc import Iterable
from typing import Final

from tests.system.scaling.manifest import Pace, Scaling

_TOLERANCE: Final = 0.1
"""A number that is near to its target is left as it is (the default of Kubernetes)."""


class Autoscaler:
    """Decides how many workers there should be, by `autoscaling/v2` with an AverageValue for each figure."""

    def __init__(self, scaling: Scaling) -> None:
        self._scaling = scaling
        self._wanted: deque[tuple[float, int]] = deque()
        self._changes: deque[tuple[float, int]] = deque()

    def decide(self, now: float, current: int, figures: Iterable[tuple[float, int]]) -> int:
        """Return how many there should be, given (value, target per worker) of each figure; *now* is in seconds."""
        scaling = self._scaling
        wanted = max(_wanted(value, target, current) for value, target in figures)
        wanted = self._stabilized(now, current, min(max(wanted, scaling.least), scaling.most))
        if wanted > current:
            wanted = min(wanted, self._begun_with(now, current, scaling.up) + scaling.up.workers)
        elif wanted < current:
            wanted = max(wanted, self._begun_with(now, current, scaling.down) - scaling.down.workers)
        wanted = max(wanted, scaling.least)
        if wanted != current:
            self._changes.append((now, wanted - current))
        return wanted

    def _stabilized(self, now: float, current: int, wanted: int) -> int:
        """Follow what was wanted within the windows: no lower than the highest, no higher than the lowest."""
        self._wanted.append((now, wanted))
        kept = max(self._scaling.up.window_s, self._scaling.down.window_s)
        while self._wanted[0][0] < now - kept:
            self._wanted.popleft()
        highest = max(number for at, number in self._wanted if at >= now - self._scaling.down.window_s)
        lowest = min(number for at, number in self._wanted if at >= now - self._scaling.up.window_s)
        return min(max(current, lowest), highest)

    def _begun_with(self, now: float, current: int, pace: Pace) -> int:
        """Return how many there were when the period of *pace* began, going by what was changed in its direction."""
        sign = 1 if pace is self._scaling.up else -1
        within = [change for at, change in self._changes if at > now - pace.period_s and change * sign > 0]
        return current - sum(within)


def _wanted(value: float, target: int, current: int) -> int:
    if current and abs(value / (target * current) - 1) <= _TOLERANCE:
        return current
    return math.ceil(value / target)
