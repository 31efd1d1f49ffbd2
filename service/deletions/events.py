"""The events of a deletion, and their moments: the one place where rows become events.

The database makes the events of its rows: `deletion_event` (migration 0030) has the fields that all of them have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from pydantic_core import to_json

from schemas.messages.events import (
    DeletionEvent,
    PackageDestroyed,
    PackageDestructionFailed,
    PackageFileDestroyed,
    PackageFileDestructionFailed,
    PackageFileMarkedForDestruction,
    PackageFileRestored,
    PackageMarkedForDestruction,
    PackageRestored,
)
from schemas.messages.outgoing import Outgoing
from schemas.names import Lane
from service.deletions.deletion import Deletion
from service.events import outbox
from service.ids import new_id
from service.infra.postgres.database import Connection, execute

_COMMAND_SIZES: Final = MappingProxyType({Lane.INTERACTIVE: 1, Lane.BULK: 100})
"""How many deletions one command of a lane is about."""


@dataclass(frozen=True, slots=True)
class DeletionNews:
    """Something that has happened to a deletion; the other fields of its event are those of its row."""

    id: UUID
    """The id that the event gets."""
    deletion_id: UUID
    topic: str
    files: int
    bytes: int
    more: str = "{}"
    """Fields that only some events have, as JSON."""


async def announce(connection: Connection, news: Sequence[DeletionNews]) -> None:
    """Write the events in the caller's transaction, in their order, from the rows as they are in it."""
    if news:
        await execute(
            connection,
            "announce_deletions",
            event_ids=[one.id for one in news],
            deletion_ids=[one.deletion_id for one in news],
            topics=[one.topic for one in news],
            files=[one.files for one in news],
            bytes=[one.bytes for one in news],
            more=[one.more for one in news],
            moment=moment(),
        )


def moment() -> str:
    """Return the moment of now, as events have it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def commands(lane: Lane, deletion_ids: Sequence[UUID]) -> list[Outgoing]:
    """Return the commands to carry these deletions out."""
    size = _COMMAND_SIZES[lane]
    return [outbox.command(lane, deletion_ids[start : start + size]) for start in range(0, len(deletion_ids), size)]


def marked(deletion: Deletion) -> DeletionNews:
    """Announce that every file is marked, and until when the grace lasts."""
    kind = PackageMarkedForDestruction if deletion.package_file_id is None else PackageFileMarkedForDestruction
    return _news(kind, deletion, deletion.files_total, deletion.bytes_total, {"destroy_after": deletion.not_before})


def restored(deletion: Deletion) -> DeletionNews:
    """Announce that the deletion was undone."""
    counts = deletion.files_total, deletion.bytes_total
    if deletion.package_file_id is not None:
        return _news(PackageFileRestored, deletion, *counts, {})
    return _news(PackageRestored, deletion, *counts, {"restored_as": deletion.restored_as})


def files_destroyed(deletion: Deletion, package_file_ids: Sequence[int], size: int) -> DeletionNews:
    """Announce that a chunk of files of *size* bytes is gone."""
    return _news(PackageFileDestroyed, deletion, len(package_file_ids), size, {"package_file_ids": package_file_ids})


def package_destroyed(deletion: Deletion, package_file_ids: Sequence[int] | None) -> DeletionNews:
    """Announce that nothing of the package is left; for the deletion of its last file, too.

    *package_file_ids*: all its files, where no event of a chunk has named them.
    """
    # A deletion of one file may have taken the package along; the event is about the package.
    of_file: dict[str, object] = {}
    if deletion.package_file_id is not None:
        of_file = {"package_file_id": None, "file_name": None}
    more = {"package_file_ids": package_file_ids, **of_file}
    return _news(PackageDestroyed, deletion, deletion.files_done, deletion.bytes_done, more)


def failed(deletion: Deletion, *, reason: str) -> DeletionNews:
    """Announce that attempts are used up, and what is left."""
    return _news(
        PackageDestructionFailed if deletion.package_file_id is None else PackageFileDestructionFailed,
        deletion,
        max(0, deletion.files_total - deletion.files_done),
        max(0, deletion.bytes_total - deletion.bytes_done),
        {"error": reason, "attempts": deletion.attempts},
    )


def _news(
    kind: type[DeletionEvent], deletion: Deletion, files: int, size: int, more: Mapping[str, object]
) -> DeletionNews:
    return DeletionNews(new_id(), deletion.id, kind.topic(), files, size, to_json(more).decode())
