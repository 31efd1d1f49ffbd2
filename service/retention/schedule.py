"""When a rule runs next."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim

from schemas.retention import RetentionRule


def next_moment(rule: RetentionRule, after: datetime | None = None) -> datetime | None:
    """Return the first moment of the rule's schedule after *after* (now, without one); None: it has no schedule.

    An hour that daylight saving skips is made up for right after it, and one that it repeats counts once, as in cron.
    """
    if rule.schedule is None or not rule.enabled:
        return None
    start = (after or datetime.now(UTC)).astimezone(ZoneInfo(rule.time_zone))
    return next(CronSim(rule.schedule, start)).astimezone(UTC)
