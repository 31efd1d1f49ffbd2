"""Carrying out deletions, a batch at a time: claim, mark, and note what became of the objects.

Each function is one transaction. A batch is whatever deletions a worker took together; what happens to one of
them never depends on the others.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from uuid import UUID

from schemas.messages.outgoing import Outgoing
from schemas.names import Lane
from schemas.statuses import DeletionState
from service.deletions import counters
from service.deletions import events as deletion_events
from service.deletions.rows import destroying as destroying_rows
from service.deletions.rows.accepting import Deletion
from service.deletions.rows.destroying import MarkedFile, Progress
from service.events import outbox
from service.infra.postgres.database import Connection, Database
from service.infra.postgres.repeating import repeated
from service.refusals import DeletionProtectedError


@dataclass(frozen=True, slots=True)
class Failure:
    """The reason why an attempt failed; *pause* is the time until the next one, None when there is none."""

    reason: str
    pause: timedelta | None
    is_attempt: bool = True
    """Whether it counts as one: an outage, which says nothing of the deletion, does not."""


class NextStep(Enum):
    """The progress of a deletion after a chunk."""

    ENDED = auto()
    CONTINUES = auto()
    ON_HOLD = auto()
    """It goes on when the hold on its project is lifted."""


@repeated
async def claim(
    database: Database,
    ids: Collection[UUID],
    *,
    token: UUID,
    lease: timedelta,
    grace: timedelta,
    max_attempts: int,
) -> dict[UUID, Deletion]:
    """Claim what is due and under no hold, mark its packages and files, and return what may be destroyed now.

    A call with several ids claims only those that were never attempted before. A deletion fails instead if a rule
    protects its package by now. It also fails if it has no attempt left, because its workers died in the middle.

    Where `removal_began_at` is None, no object can have been removed, and the deletion can still be restored. A worker
    that gives such a claim back says whether that is still so.
    """
    async with database.transaction() as connection:
        found = await destroying_rows.claim(connection, ids, token=token, lease=lease, grace=grace)
        claimed = {one.deletion.id: one.deletion for one in found}
        if passed_by := set(ids) - claimed.keys():
            await destroying_rows.note_on_hold(connection, passed_by)
        if not claimed:
            return {}
        await destroying_rows.lock_packages(connection, claimed)
        hopeless = {
            deletion.id: deletion.last_error or "the worker died in each attempt"
            for deletion in claimed.values()
            if deletion.attempts > max_attempts
        }
        protected = await destroying_rows.protected(connection, claimed)
        hopeless |= dict.fromkeys(protected, DeletionProtectedError.text)
        marked = await destroying_rows.mark(connection, claimed.keys() - hopeless.keys())
        messages = _marked([claimed[deletion_id] for deletion_id in sorted(marked)])
        untouched = [each for each in hopeless if claimed[each].removal_began_at is None]
        failed = await destroying_rows.fail(connection, hopeless, untouched=untouched) if hopeless else []
        messages += _failed(failed, hopeless)
        await outbox.append(connection, messages)
    counters.taken_over(sum(one.has_lapsed for one in found))
    counters.failed(failed)
    return {
        deletion_id: deletion
        for deletion_id, deletion in claimed.items()
        if deletion.state is DeletionState.DESTROYING and deletion_id not in hopeless
    }


async def attempted(database: Database, ids: Collection[UUID]) -> list[UUID]:
    """Return those that are due and were attempted before: they are claimed one by one, each by itself."""
    async with database.connection() as connection:
        return await destroying_rows.attempted(connection, ids)


async def next_files(
    database: Database, owned: Mapping[UUID, Deletion], *, token: UUID, limit: int
) -> list[MarkedFile]:
    """Return the next marked files of what *token* holds, each once, none under a hold; their objects may go now.

    Small deletions come first, so that a large one holds up nobody; a large one is read along its index.
    """
    by_size = sorted(owned.values(), key=lambda deletion: (deletion.files_total, deletion.id))
    large = [deletion for deletion in by_size if deletion.files_total > limit]
    files: dict[int, MarkedFile] = {}
    async with database.connection() as connection:
        for some in _portions(by_size[: len(by_size) - len(large)], limit):
            if (rest := limit - len(files)) > 0:
                found = await destroying_rows.next_files(connection, some, token=token, limit=rest)
                files |= {file.id: file for file in found}
        for deletion in large:
            if (rest := limit - len(files)) > 0:
                found = await destroying_rows.next_files_of_large(connection, deletion, token=token, limit=rest)
                files = {file.id: file for file in found} | files
    return list(files.values())


async def unmarked(database: Database, ids: Collection[UUID]) -> set[UUID]:
    """Return those of which no marked file is left, under a hold or not."""
    async with database.connection() as connection:
        return await destroying_rows.unmarked(connection, ids)


@repeated
async def record_destroyed(
    database: Database,
    ids: Collection[UUID],
    files: Sequence[MarkedFile],
    *,
    token: UUID,
    lease: timedelta,
) -> dict[UUID, NextStep]:
    """Note that the objects of *files* are gone; return the progress of each deletion.

    A deletion that *token* does not own any more is left out of the answer, and nothing is noted for it.
    """
    async with database.transaction() as connection:
        owned = await destroying_rows.lock_owned(connection, ids, token=token)
        of_ours = [file for file in files if file.deletion_id in owned]
        gone = await destroying_rows.delete_files(connection, [file.id for file in of_ours])
        chunks = _by_deletion([file for file in of_ours if file.id in gone])
        ended = await destroying_rows.delete_packages(connection, owned)
        ended |= await destroying_rows.finished_file_deletions(connection, owned)
        progress = [
            Progress(
                deletion_id,
                files=len(chunks[deletion_id]),
                bytes=_size(chunks[deletion_id]),
                ended=deletion_id in ended,
            )
            for deletion_id in owned
        ]
        now = await destroying_rows.record(connection, progress, lease=lease)
        whole = {each: _ids(chunks[each]) for each in ended if _is_whole(now[each], chunks[each])}
        messages = [_destroyed(now[each], chunk) for each, chunk in chunks.items() if chunk and each not in whole]
        messages += await _packages_gone(connection, [now[deletion_id] for deletion_id in sorted(ended)], whole)
        await outbox.append(connection, messages)
    counters.destroyed([(now[deletion_id], len(chunk), _size(chunk)) for deletion_id, chunk in chunks.items()])
    counters.succeeded([now[deletion_id] for deletion_id in ended])
    going_on = {
        deletion_id: NextStep.ON_HOLD if ours.is_on_hold else NextStep.CONTINUES for deletion_id, ours in owned.items()
    }
    return going_on | dict.fromkeys(ended, NextStep.ENDED)


@repeated
async def record_failures(
    database: Database, failures: Mapping[UUID, Failure], *, token: UUID, untouched: Collection[UUID] = ()
) -> None:
    """Put the deletions aside for their next attempt, or end them; those not held by *token* are left alone.

    *untouched*: those of which no object can have been removed, in this attempt or before.
    """
    failed: list[Deletion] = []
    async with database.transaction() as connection:
        owned = await destroying_rows.lock_owned(connection, failures, token=token)
        ours = {deletion_id: failures[deletion_id] for deletion_id in owned}
        pauses = {deletion_id: failure.pause for deletion_id, failure in ours.items() if failure.pause is not None}
        final = {deletion_id: failure.reason for deletion_id, failure in ours.items() if failure.pause is None}
        if pauses:
            reasons = {deletion_id: ours[deletion_id].reason for deletion_id in pauses}
            uncounted = [deletion_id for deletion_id in pauses if not ours[deletion_id].is_attempt]
            await destroying_rows.retry_later(connection, reasons, pauses, untouched=untouched, uncounted=uncounted)
        if final:
            failed = await destroying_rows.fail(connection, final, untouched=untouched)
            await outbox.append(connection, _failed(failed, final))
    counters.failed(failed)


@repeated
async def renew(database: Database, ids: Collection[UUID], *, token: UUID, lease: timedelta) -> int:
    """Renew the leases that *token* still holds; return how many."""
    async with database.connection() as connection:
        return await destroying_rows.renew(connection, ids, token=token, lease=lease)


@repeated
async def release(database: Database, ids: Collection[UUID], *, token: UUID, untouched: Collection[UUID] = ()) -> None:
    """Give back what *token* owns, immediately and without counting it as an attempt.

    *untouched*: the deletions of which no object can have been removed, in this attempt or before.
    """
    async with database.connection() as connection:
        await destroying_rows.release(connection, ids, token=token, untouched=untouched)


async def neglected(database: Database, lanes: Collection[Lane], *, limit: int) -> list[UUID]:
    """Return deletions whose claim lapsed, then due ones whose commands reach nobody.

    So neither correctness nor the time to a takeover hangs on any queue.
    """
    async with database.connection() as connection:
        return await destroying_rows.neglected(connection, lanes, limit=limit)


@repeated
async def wake(database: Database, *, resend: timedelta, limit: int) -> int:
    """Send for deletions that are due and that nobody has taken; return how many were read."""
    async with database.transaction() as connection:
        if await outbox.is_behind(connection, resend):
            # The broker is away: its commands wait in the outbox already, and more of them would not help.
            return 0
        overdue = await destroying_rows.wake(connection, resend=resend, limit=limit)
        free = [one for one in overdue if not one.is_on_hold]
        fresh = [one for one in free if not one.was_attempted]
        messages = [
            message
            for lane in Lane
            for message in deletion_events.commands(lane, [one.id for one in fresh if one.lane is lane])
        ]
        # A deletion that was attempted before is carried out alone, whatever its lane.
        messages += [outbox.command(one.lane, [one.id]) for one in free if one.was_attempted]
        await outbox.append(connection, messages)
    return len(overdue)


def _portions(deletions: Sequence[Deletion], limit: int) -> Iterator[list[UUID]]:
    """Split the ids so that each portion should fill a chunk; searching all of them for each chunk would be slow."""
    portion: list[UUID] = []
    files = 0
    for deletion in deletions:
        portion.append(deletion.id)
        files += deletion.files_total
        if files >= limit:
            yield portion
            # Nearly finished deletions have few files left, so each portion is twice as large as the one before.
            portion, files, limit = [], 0, 2 * limit
    if portion:
        yield portion


def _marked(deletions: Iterable[Deletion]) -> list[Outgoing]:
    """Return the events of those that are in their grace; without one, request and end say it all."""
    return [
        deletion_events.marked(deletion, destroy_after=deletion.not_before)
        for deletion in deletions
        if deletion.state is DeletionState.GRACE
    ]


def _destroyed(deletion: Deletion, chunk: Sequence[MarkedFile]) -> Outgoing:
    return deletion_events.files_destroyed(
        deletion,
        package_file_ids=_ids(chunk),
        size=_size(chunk),
    )


def _by_deletion(files: Sequence[MarkedFile]) -> defaultdict[UUID, list[MarkedFile]]:
    chunks: defaultdict[UUID, list[MarkedFile]] = defaultdict(list)
    for file in files:
        chunks[file.deletion_id].append(file)
    return chunks


def _is_whole(deletion: Deletion, chunk: Sequence[MarkedFile]) -> bool:
    """Return whether an ended deletion of a package removed all its files in this one chunk."""
    return deletion.package_file_id is None and deletion.files_done == len(chunk)


async def _packages_gone(
    connection: Connection, ended: Sequence[Deletion], whole: Mapping[UUID, tuple[int, ...]]
) -> list[Outgoing]:
    """Delete packages that lost their last file; return the events of all packages that are gone.

    *whole*: the files of each deletion that removed them in one chunk, and has no event of that chunk.
    """
    by_file = {deletion.package_id for deletion in ended if deletion.package_file_id is not None}
    emptied = await destroying_rows.delete_emptied_packages(connection, by_file) if by_file else set()
    gone: dict[int, Deletion] = {
        deletion.package_id: deletion
        for deletion in ended
        if deletion.package_file_id is None or deletion.package_id in emptied
    }
    return [
        deletion_events.package_destroyed(deletion, package_file_ids=whole.get(deletion.id))
        for deletion in gone.values()
    ]


def _failed(failed: Sequence[Deletion], reasons: Mapping[UUID, str]) -> list[Outgoing]:
    return [deletion_events.failed(deletion, reason=reasons[deletion.id]) for deletion in failed]


def _ids(chunk: Sequence[MarkedFile]) -> tuple[int, ...]:
    return tuple(file.id for file in chunk)


def _size(chunk: Sequence[MarkedFile]) -> int:
    return sum(file.size for file in chunk)
