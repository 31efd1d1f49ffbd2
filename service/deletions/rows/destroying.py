"""The rows that a worker moves while it destroys: each statement is for a whole batch of deletions."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from schemas.names import Lane
from service.deletions.rows.accepting import Deletion, read
from service.infra.postgres.database import Connection, Record, execute, fetch


@dataclass(frozen=True, slots=True)
class MarkedFile:
    """A marked file: its object is to be removed, then its row."""

    id: int
    storage_key: str
    size: int
    deletion_id: UUID


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress that one chunk made for one deletion."""

    deletion_id: UUID
    files: int
    bytes: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """A deletion that is ours now."""

    deletion: Deletion
    has_lapsed: bool
    """It was another's, which did not renew its lease."""


@dataclass(frozen=True, slots=True)
class OwnedDeletion:
    """A deletion that is still ours."""

    is_on_hold: bool
    """A hold on its project keeps it from going on."""


@dataclass(frozen=True, slots=True)
class OverdueDeletion:
    """A deletion that should have moved on by now."""

    id: UUID
    lane: Lane
    was_attempted: bool
    is_on_hold: bool
    """A hold keeps it from going on."""


async def claim(
    connection: Connection, ids: Collection[UUID], *, token: UUID, lease: timedelta, grace: timedelta
) -> list[Claimed]:
    """Claim those that are due and free; a fresh one goes into its grace instead, if there is one.

    `removal_began_at` of what is ours now is None where nobody can have removed an object of it before.
    """
    rows = await fetch(
        connection,
        "claim_deletions",
        ids=list(ids),
        claim=token,
        lease=lease,
        grace=grace,
    )
    return [_claimed(row) for row in rows]


async def note_on_hold(connection: Connection, ids: Collection[UUID]) -> None:
    """Note which of them a hold stops, for the moment in which it is lifted."""
    await execute(connection, "note_on_hold", ids=list(ids))


async def lock_packages(connection: Connection, ids: Collection[UUID]) -> None:
    """Lock the packages of locked deletions until the transaction ends, before any of their files."""
    await fetch(connection, "lock_packages_of_deletions", ids=list(ids))


async def attempted(connection: Connection, ids: Collection[UUID]) -> list[UUID]:
    """Return those that are due and were attempted before, the least often attempted first."""
    rows = await fetch(connection, "attempted_deletions", ids=list(ids))
    return [row["id"] for row in rows]


async def protected(connection: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Return those that a protection rule forbids and of which nothing was removed yet."""
    return {row["id"] for row in await fetch(connection, "protected_deletions", ids=list(ids))}


async def mark(connection: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Mark packages, which are locked, and files; return the deletions whose first marking this is."""
    return {row["id"] for row in await fetch(connection, "mark_for_destruction", ids=list(ids))}


async def next_files(connection: Connection, ids: Collection[UUID], *, token: UUID, limit: int) -> list[MarkedFile]:
    """Return the next chunk of marked files of the deletions that *token* holds."""
    rows = await fetch(connection, "next_files", ids=list(ids), claim=token, limit=limit)
    return [MarkedFile(row["id"], row["storage_key"], row["size"], row["deletion_id"]) for row in rows]


async def next_files_of_large(
    connection: Connection, deletion: Deletion, *, token: UUID, limit: int
) -> list[MarkedFile]:
    """Return the next marked files of one package's deletion that *token* holds."""
    rows = await fetch(
        connection,
        "next_files_of_large",
        package_id=deletion.package_id,
        deletion_id=deletion.id,
        claim=token,
        limit=limit,
    )
    return [MarkedFile(row["id"], row["storage_key"], row["size"], deletion.id) for row in rows]


async def unmarked(connection: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Return those of the deletions of which no marked file is left."""
    return {row["id"] for row in await fetch(connection, "unmarked_deletions", ids=list(ids))}


async def lock_owned(connection: Connection, ids: Collection[UUID], *, token: UUID) -> dict[UUID, OwnedDeletion]:
    """Return those that *token* still holds, locked with their packages until the transaction ends."""
    rows = await fetch(connection, "lock_claims", ids=list(ids), claim=token)
    return {row["id"]: OwnedDeletion(is_on_hold=row["hold"] is not None) for row in rows}


async def delete_files(connection: Connection, package_file_ids: Sequence[int]) -> set[int]:
    """Delete the rows of files whose objects are gone; return those that were there."""
    rows = await fetch(connection, "delete_files", package_file_ids=list(package_file_ids))
    return {row["id"] for row in rows}


async def delete_packages(connection: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Delete the packages of which no file row is left; return the deletions that this ends."""
    return {row["id"] for row in await fetch(connection, "delete_packages", ids=list(ids))}


async def finished_file_deletions(connection: Connection, ids: Collection[UUID]) -> set[UUID]:
    """Return the deletions of one file whose row is gone."""
    return {row["id"] for row in await fetch(connection, "finished_file_deletions", ids=list(ids))}


async def delete_emptied_packages(connection: Connection, package_ids: Collection[int]) -> set[int]:
    """Delete those displayed packages that have no file left; return them."""
    locked = await fetch(connection, "lock_displayed_packages", package_ids=list(package_ids))
    # This is a statement of its own, so it sees the file that an upload committed while we waited for the lock.
    rows = await fetch(connection, "delete_emptied_packages", package_ids=[row["id"] for row in locked])
    return {row["id"] for row in rows}


async def record(connection: Connection, progress: Sequence[Progress], *, lease: timedelta) -> dict[UUID, Deletion]:
    """Add up what a chunk did and renew the lease, or end the deletion; return the deletions as they are now."""
    rows = await fetch(
        connection,
        "record_progress",
        ids=[entry.deletion_id for entry in progress],
        files=[entry.files for entry in progress],
        bytes=[entry.bytes for entry in progress],
        ended=[entry.ended for entry in progress],
        lease=lease,
    )
    return {row["id"]: read(row) for row in rows}


async def renew(connection: Connection, ids: Collection[UUID], *, token: UUID, lease: timedelta) -> int:
    """Renew the leases that *token* still holds; return how many."""
    return await execute(connection, "renew_claims", ids=list(ids), claim=token, lease=lease)


async def release(connection: Connection, ids: Collection[UUID], *, token: UUID, untouched: Collection[UUID]) -> None:
    """Give back what *token* owns; another worker may continue immediately."""
    await execute(connection, "release_claims", ids=list(ids), claim=token, untouched=list(untouched))


async def retry_later(
    connection: Connection,
    reasons: Mapping[UUID, str],
    pauses: Mapping[UUID, timedelta],
    *,
    untouched: Collection[UUID],
    uncounted: Collection[UUID],
) -> None:
    """Put held deletions aside, each for its pause; those of *uncounted* keep the attempt that they began."""
    await execute(
        connection,
        "retry_deletions",
        ids=list(reasons),
        errors=list(reasons.values()),
        pauses=[pauses[deletion_id] for deletion_id in reasons],
        untouched=list(untouched),
        uncounted=list(uncounted),
    )


async def fail(connection: Connection, reasons: Mapping[UUID, str], *, untouched: Collection[UUID]) -> list[Deletion]:
    """End deletions, locked with their packages, as failed, and show what is left of them in `error`."""
    rows = await fetch(
        connection,
        "fail_deletions",
        ids=list(reasons),
        errors=list(reasons.values()),
        untouched=list(untouched),
    )
    await execute(connection, "show_in_error", ids=list(reasons))
    return [read(row) for row in rows]


async def neglected(connection: Connection, lanes: Collection[Lane], *, limit: int) -> list[UUID]:
    """Return deletions whose claim lapsed, then due ones that were sent for more than once and nobody has taken."""
    rows = await fetch(connection, "neglected_deletions", lanes=list(lanes), limit=limit)
    return [row["id"] for row in rows]


async def wake(connection: Connection, *, resend: timedelta, limit: int) -> list[OverdueDeletion]:
    """Return the deletions that should have moved on by now; each is returned again ever later."""
    # This is a statement of its own, so the next one sees the lift that was committed while we waited.
    await execute(connection, "lock_waking")
    rows = await fetch(connection, "wake_deletions", resend=resend, limit=limit)
    return [OverdueDeletion(row["id"], Lane(row["lane"]), row["was_attempted"], row["held"]) for row in rows]


def _claimed(row: Record) -> Claimed:
    deletion = read(row)
    if row["is_untouched"]:
        deletion = replace(deletion, removal_began_at=None)
    return Claimed(deletion, row["has_lapsed"])
