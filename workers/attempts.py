"""What an attempt's outcome means for a deletion: pure decisions, no clock and no I/O."""

from datetime import timedelta
from typing import Final

from service.destruction import Failure
from service.errors import StorageRefusedError

_FACTOR: Final = 5
_LONGEST: Final = timedelta(hours=1)
_JITTER: Final = 0.2


def judge(error: Exception, *, attempts: int, max_attempts: int, backoff: timedelta, chance: float) -> Failure:
    """Decide about a failed attempt, the *attempts*-th; *chance* from 0 to 1 spreads the pauses.

    What the store refuses for good is not tried again.
    """
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, StorageRefusedError) or attempts >= max_attempts:
        return Failure(reason, pause=None)
    return Failure(reason, pause=pause_after(attempts, backoff=backoff, chance=chance))


def pause_after(attempts: int, *, backoff: timedelta, chance: float) -> timedelta:
    """Return how long to wait after the *attempts*-th attempt: five times as long each time, up to an hour."""
    exact: timedelta = min(backoff * _FACTOR ** min(attempts - 1, 10), _LONGEST)
    return exact * (1 + _JITTER * (2 * chance - 1))
