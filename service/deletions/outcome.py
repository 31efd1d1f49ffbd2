"""Fourth phase: how an attempt ends."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from uuid import UUID

from service.deletions import counters
from service.deletions import events as deletion_events
from service.deletions.deletion import Deletion, Deletions, read
from service.deletions.ownership import Claims, lock_owned
from service.infra.postgres.database import Connection, execute, fetch
from service.infra.postgres.repeating import repeated


class AttemptOutcome(Enum):
    """How an attempt ends: each with its label in the metric, and with its log event."""

    SUCCEEDED = "succeeded", "destruction_succeeded"
    PUT_OFF = "put_off", "destruction_put_off"
    FAILED = "failed", "destruction_failed"
    RELEASED = "released", "destruction_released"
    ON_HOLD = "on_hold", "destruction_on_hold"
    """A hold on its project stops it; it is released."""
    LOST = "lost", "claim_lost"
    """Another worker owns it by now."""

    def __init__(self, label: str, log_event: str) -> None:
        self.label = label
        self.log_event = log_event


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt did not come to its end."""

    reason: str
    pause: timedelta | None
    """The time until the next attempt; None if there is none."""
    is_attempt: bool = True
    """Whether it counts as one: an outage, which says nothing of the deletion, does not."""

    @property
    def outcome(self) -> AttemptOutcome:
        """How the attempt ends."""
        return AttemptOutcome.FAILED if self.pause is None else AttemptOutcome.PUT_OFF


@repeated
async def record_failures(deletions: Deletions, claims: Claims, failures: Mapping[UUID, Failure]) -> None:
    """Put the deletions aside for their next attempt, or end them; those that are not owned any more are left alone."""
    async with deletions.database.transaction() as connection:
        owned = await lock_owned(connection, claims, failures)
        await _put_off(connection, claims, {each: failures[each] for each in owned})
        final = {each: failures[each].reason for each in owned if failures[each].outcome is AttemptOutcome.FAILED}
        failed = await fail(connection, final, untouched=claims.untouched)
    counters.failed(failed)


async def fail(connection: Connection, reasons: Mapping[UUID, str], *, untouched: Collection[UUID]) -> list[Deletion]:
    """End deletions, locked with their packages, as failed, and show what is left of them in `error`."""
    if not reasons:
        return []
    ids = list(reasons)
    rows = await fetch(connection, "fail_deletions", ids=ids, errors=list(reasons.values()), untouched=list(untouched))
    await execute(connection, "show_in_error", ids=ids)
    failed = [read(row) for row in rows]
    news = [deletion_events.failed(each, reason=reasons[each.id]) for each in failed]
    await deletion_events.announce(connection, news)
    return failed


async def _put_off(connection: Connection, claims: Claims, failures: Mapping[UUID, Failure]) -> None:
    put_off = {each: failure for each, failure in failures.items() if failure.outcome is AttemptOutcome.PUT_OFF}
    if put_off:
        await execute(
            connection,
            "retry_deletions",
            ids=list(put_off),
            errors=[failure.reason for failure in put_off.values()],
            pauses=[failure.pause for failure in put_off.values()],
            untouched=list(claims.untouched),
            uncounted=[each for each, failure in put_off.items() if not failure.is_attempt],
        )
