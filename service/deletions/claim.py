"""Second phase: a worker claims deletions, and everything that may go is committed as `pending_destruction`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from schemas.names import Cause
from schemas.statuses import DeletionState
from service.deletions import counters, outcome
from service.deletions import events as deletion_events
from service.deletions.deletion import Deletion, Deletions, read
from service.deletions.locks import lock_packages
from service.deletions.ownership import Claims
from service.deletions.undoing.restore import spare
from service.infra.postgres.database import Connection, execute, fetch
from service.infra.postgres.repeating import repeated
from service.refusals import DeletionProtectedError


@dataclass(frozen=True, slots=True)
class _Claimed:
    deletion: Deletion
    has_lapsed: bool
    """It was another's, which did not renew its lease."""
    is_protected: bool
    """A rule protects its package, of which nothing was removed."""
    is_untouched: bool

    @property
    def can_be_spared(self) -> bool:
        """Whether it came from a rule, and no object can have gone yet."""
        is_whole = self.is_untouched or self.deletion.state is DeletionState.GRACE
        return self.deletion.cause is Cause.POLICY and is_whole


@repeated
async def claim(deletions: Deletions, claims: Claims, ids: Collection[UUID]) -> set[UUID]:
    """Claim what is due and under no hold, mark its packages and files, and return what may be destroyed now.

    A call with several ids claims only those that were never attempted before. A fresh one goes into its grace instead,
    if there is one. A deletion fails instead if a rule protects its package by now; one that came from a retention rule
    ends as restored. It also fails if it has no attempt left, because its workers died in the middle.
    """
    async with deletions.database.transaction() as connection:
        found = await _claim(connection, deletions, claims.token, ids)
        if passed_by := set(ids) - found.keys():
            await execute(connection, "note_on_hold", ids=list(passed_by))
        if not found:
            return set()
        hopeless = _hopeless(found, max_attempts=deletions.max_attempts)
        if hopeless:
            await lock_packages(connection, found)
        spared = await spare(connection, [found[each].deletion for each in hopeless if found[each].can_be_spared])
        hopeless = {each: reason for each, reason in hopeless.items() if each not in spared}
        stopped = hopeless.keys() | spared
        await _mark(connection, [found[each].deletion for each in sorted(found.keys() - stopped)])
        untouched = {each for each, claimed in found.items() if claimed.is_untouched}
        failed = await outcome.fail(connection, hopeless, untouched=untouched)
    counters.taken_over(sum(claimed.has_lapsed for claimed in found.values()))
    counters.failed(failed)
    mine = {
        each: claimed.deletion
        for each, claimed in found.items()
        if each not in stopped and claimed.deletion.state is DeletionState.DESTROYING
    }
    claims.owned |= mine
    claims.untouched = claims.untouched - mine.keys() | untouched & mine.keys()
    return set(mine)


async def attempted(deletions: Deletions, ids: Collection[UUID]) -> list[UUID]:
    """Return those that are due and were attempted before, the least often attempted first: each is claimed alone."""
    async with deletions.database.connection() as connection:
        return [row["id"] for row in await fetch(connection, "attempted_deletions", ids=list(ids))]


async def _claim(
    connection: Connection, deletions: Deletions, token: UUID, ids: Collection[UUID]
) -> dict[UUID, _Claimed]:
    rows = await fetch(
        connection,
        "claim_deletions",
        ids=list(ids),
        claim=token,
        lease=deletions.lease,
        grace=deletions.grace,
        policy_grace=deletions.policy_grace,
    )
    return {
        row["id"]: _Claimed(read(row), row["has_lapsed"], row["is_protected"], bool(row["is_untouched"]))
        for row in rows
    }


def _hopeless(found: Mapping[UUID, _Claimed], *, max_attempts: int) -> dict[UUID, str]:
    reasons = {
        each: claimed.deletion.last_error or "the worker died in each attempt"
        for each, claimed in found.items()
        if claimed.deletion.attempts > max_attempts
    }
    return reasons | {each: DeletionProtectedError.text for each, claimed in found.items() if claimed.is_protected}


async def _mark(connection: Connection, claimed: Sequence[Deletion]) -> None:
    """Lock and mark packages and their files, and announce those whose grace begins.

    Without a grace, the events of the request and of the end say it all.
    """
    if not claimed:
        return
    await execute(connection, "mark_for_destruction", ids=[deletion.id for deletion in claimed])
    waiting = [deletion_events.marked(deletion) for deletion in claimed if deletion.state is DeletionState.GRACE]
    await deletion_events.announce(connection, waiting)
