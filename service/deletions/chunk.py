"""Third phase: chunk after chunk, objects are removed, then their rows are deleted; with the last, the package goes."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from service.deletions import counters
from service.deletions import events as deletion_events
from service.deletions.deletion import Deletion, Deletions, read
from service.deletions.events import DeletionNews
from service.deletions.outcome import AttemptOutcome
from service.deletions.ownership import Claims, lock_owned
from service.infra.postgres.database import Connection, fetch
from service.infra.postgres.records import row_reader
from service.infra.postgres.repeating import repeated


@dataclass(frozen=True, slots=True)
class MarkedFile:
    """A marked file: its object is to be removed, then its row is deleted."""

    id: int
    storage_key: str
    size: int
    deletion_id: UUID


_read_file: Final = row_reader(MarkedFile)


async def next_files(deletions: Deletions, claims: Claims, *, limit: int) -> list[MarkedFile]:
    """Return the next marked files of what is owned, each once, none under a hold; their objects may go now.

    Small deletions come first, so that a large one delays nobody; a large one is read along its index.
    """
    by_size = sorted(claims.owned.values(), key=lambda deletion: (deletion.files_total, deletion.id))
    small = [deletion for deletion in by_size if deletion.files_total <= limit]
    files: dict[int, MarkedFile] = {}
    async with deletions.database.connection() as connection:
        for ids in _portions(small, limit):
            if (rest := limit - len(files)) > 0:
                rows = await fetch(connection, "next_files", ids=ids, claim=claims.token, limit=rest)
                files |= {row["id"]: _read_file(row) for row in rows}
        for deletion in by_size[len(small) :]:
            if (rest := limit - len(files)) > 0:
                found = await _next_files_of_large(connection, deletion, claims.token, limit=rest)
                files = {file.id: file for file in found} | files
    claims.untouched -= {file.deletion_id for file in files.values()}
    return list(files.values())


@repeated
async def record_removed(
    deletions: Deletions, claims: Claims, files: Sequence[MarkedFile]
) -> dict[UUID, AttemptOutcome]:
    """Note that the objects of *files* are gone; return what does not continue: it ended, is on hold, or was lost.

    Nothing is noted for deletions that are not owned any more.
    """
    async with deletions.database.transaction() as connection:
        owned = await lock_owned(connection, claims, claims.owned)
        chunks = await _delete_files(connection, [file for file in files if file.deletion_id in owned])
        ended = {row["id"] for row in await fetch(connection, "end_deletions", ids=list(owned))}
        now = await _record_progress(connection, deletions, owned, chunks, ended)
        whole = {each: _ids(chunks.get(each, ())) for each in ended if _is_whole(now[each], chunks.get(each, ()))}
        news = [_destroyed(now[each], chunk) for each, chunk in chunks.items() if each not in whole]
        news += await _packages_gone(connection, [now[each] for each in sorted(ended)], whole)
        await deletion_events.announce(connection, news)
    counters.destroyed((now[each], len(chunk), _size(chunk)) for each, chunk in chunks.items())
    counters.succeeded(now[each] for each in ended)
    outcomes = dict.fromkeys(claims.owned.keys() - owned, AttemptOutcome.LOST)
    outcomes |= {each: AttemptOutcome.ON_HOLD for each, is_on_hold in owned.items() if is_on_hold}
    # Progress began the count of attempts anew: faults that pass must not add up over the life of a large package.
    claims.owned |= now
    return outcomes | dict.fromkeys(ended, AttemptOutcome.SUCCEEDED)


async def unmarked(deletions: Deletions, ids: Collection[UUID]) -> set[UUID]:
    """Return those of which no marked file is left, under a hold or not."""
    async with deletions.database.connection() as connection:
        return {row["id"] for row in await fetch(connection, "unmarked_deletions", ids=list(ids))}


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


async def _next_files_of_large(
    connection: Connection, deletion: Deletion, token: UUID, *, limit: int
) -> list[MarkedFile]:
    rows = await fetch(
        connection,
        "next_files_of_large",
        package_id=deletion.package_id,
        deletion_id=deletion.id,
        claim=token,
        limit=limit,
    )
    return [_read_file(row) for row in rows]


async def _delete_files(connection: Connection, files: Sequence[MarkedFile]) -> dict[UUID, list[MarkedFile]]:
    """Delete the rows of files whose objects are gone; return those that were there, by their deletions."""
    rows = await fetch(connection, "delete_files", package_file_ids=[file.id for file in files])
    gone = {row["id"] for row in rows}
    chunks: defaultdict[UUID, list[MarkedFile]] = defaultdict(list)
    for file in files:
        if file.id in gone:
            chunks[file.deletion_id].append(file)
    return dict(chunks)


async def _record_progress(
    connection: Connection,
    deletions: Deletions,
    owned: Collection[UUID],
    chunks: Mapping[UUID, Sequence[MarkedFile]],
    ended: Collection[UUID],
) -> dict[UUID, Deletion]:
    """Add up what the chunk did and renew the leases, or end the deletions; return them as they are now."""
    rows = await fetch(
        connection,
        "record_progress",
        ids=list(owned),
        files=[len(chunks.get(each, ())) for each in owned],
        bytes=[_size(chunks.get(each, ())) for each in owned],
        ended=[each in ended for each in owned],
        lease=deletions.lease,
    )
    return {row["id"]: read(row) for row in rows}


async def _packages_gone(
    connection: Connection, ended: Sequence[Deletion], whole: Mapping[UUID, Sequence[int]]
) -> list[DeletionNews]:
    """Delete displayed packages that lost their last file; return the events of all packages that are gone.

    *whole*: the files of each deletion that removed them in one chunk, and has no event of that chunk.
    """
    by_file = {deletion.package_id for deletion in ended if deletion.package_file_id is not None}
    emptied: set[int] = set()
    if by_file:
        locked = await fetch(connection, "lock_displayed_packages", package_ids=list(by_file))
        # This is a statement of its own, so it sees the file that an upload committed while we waited for the lock.
        rows = await fetch(connection, "delete_emptied_packages", package_ids=[row["id"] for row in locked])
        emptied = {row["id"] for row in rows}
    gone = {
        deletion.package_id: deletion
        for deletion in ended
        if deletion.package_file_id is None or deletion.package_id in emptied
    }
    return [deletion_events.package_destroyed(deletion, whole.get(deletion.id)) for deletion in gone.values()]


def _is_whole(deletion: Deletion, chunk: Sequence[MarkedFile]) -> bool:
    """Return whether an ended deletion of a package removed all its files in this one chunk."""
    return deletion.package_file_id is None and deletion.files_done == len(chunk)


def _destroyed(deletion: Deletion, chunk: Sequence[MarkedFile]) -> DeletionNews:
    return deletion_events.files_destroyed(deletion, _ids(chunk), _size(chunk))


def _ids(chunk: Sequence[MarkedFile]) -> list[int]:
    return [file.id for file in chunk]


def _size(chunk: Sequence[MarkedFile]) -> int:
    return sum(file.size for file in chunk)
