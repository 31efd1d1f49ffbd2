"""Decisions on an attempt's outcome for a deletion: pure functions, no clock and no I/O.

`workers.deleter.batch` asks for a decision, and `service.deletions.outcome` records the pause. When the pause is over,
`service.deletions.wake` sends for the deletion again.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from service.deletions.outcome import Failure
from service.errors import ObjectStuckError, StorageRefusedError, StorageUnavailableError

_FACTOR: Final = 5
_BY_GRAVITY: Final = (StorageRefusedError, ObjectStuckError, StorageUnavailableError)
_LONGEST: Final = timedelta(hours=1)
_LONGEST_OUTAGE: Final = timedelta(seconds=12)
"""The longest pause, before jitter, while the store is away: what was accepted goes soon after it is back."""
_JITTER: Final = 0.2


def judge(
    error: Exception, *, attempts: int, max_attempts: int, backoff: timedelta, chance: float, advanced: bool = False
) -> Failure:
    """Decide about a failed attempt, the *attempts*-th; *chance* from 0 to 1 spreads the pauses.

    An outage of the store is no attempt. A permanent refusal by the store is not tried again, unless the deletion has
    *advanced* in the same chunk: then its other objects go first.
    """
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, StorageUnavailableError):
        return Failure(reason, pause=_spread(min(backoff, _LONGEST_OUTAGE), chance), is_attempt=False)
    if attempts >= max_attempts or (isinstance(error, StorageRefusedError) and not advanced):
        return Failure(reason, pause=None)
    return Failure(reason, pause=pause_after(attempts, backoff=backoff, chance=chance))


def pause_after(attempts: int, *, backoff: timedelta, chance: float) -> timedelta:
    """Return how long to wait after the *attempts*-th attempt: five times as long each time, up to about an hour."""
    return _spread(min(backoff * _FACTOR ** min(attempts - 1, 10), _LONGEST), chance)


def _spread(exact: timedelta, chance: float) -> timedelta:
    return exact * (1 + _JITTER * (2 * chance - 1))


def gravest(errors: Iterable[Exception]) -> Exception:
    """Return the one that says most about a deletion: a refusal, then an object that is stuck, then an outage."""
    return min(errors, key=_rank)


def _rank(error: Exception) -> int:
    return next((rank for rank, kind in enumerate(_BY_GRAVITY) if isinstance(error, kind)), len(_BY_GRAVITY))
