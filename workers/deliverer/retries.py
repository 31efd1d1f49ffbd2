"""When a failed delivery is tried again, and when it no longer is."""

import random
from datetime import datetime, timedelta
from typing import Final

GIVE_UP_AFTER: Final = timedelta(days=3)
"""An event that failed for this long is skipped; a webhook where nothing else came of this time is disabled."""

_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_FACTOR: Final = 4.0
_JITTER: Final = 0.1
_MOST_STEPS: Final = 10


def pause_before_retry(attempts: int) -> timedelta:
    """Return how long to wait after that many attempts: 5 s, 20 s, 80 s and so on up to an hour, with jitter."""
    pause = _FIRST_PAUSE * _FACTOR ** min(attempts - 1, _MOST_STEPS)
    jitter: float = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret
    return min(pause, _LONGEST_PAUSE) * jitter


def is_over(since: datetime | None, now: datetime) -> bool:
    """Return whether what began to fail at that time has failed for long enough."""
    return since is not None and now - since >= GIVE_UP_AFTER
