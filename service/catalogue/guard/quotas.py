"""Quotas: how many bytes the projects of a place may have in storage together.

A byte counts from the commit of its upload until its file row is deleted, after its object is gone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from schemas.messages.quota_events import QuotaExceeded
from service.access.rows import Project
from service.events import outbox
from service.ids import new_id
from service.infra.postgres.database import Connection, Database, fetch
from service.infra.postgres.records import row_reader
from service.infra.postgres.repeating import repeated
from service.refusals import QuotaExceededError

THRESHOLDS: Final = (80, 100)
"""The percentages that are announced when they are reached."""


@dataclass(frozen=True, slots=True)
class QuotaUsage:
    """A quota with the bytes of all projects that it counts for."""

    id: int
    group_id: int | None
    project_id: int | None
    path: str
    root_group_id: int
    bytes: int
    """How many there may be."""
    enforce: bool
    """Whether an upload is refused that would take more."""
    level: int
    """The last threshold that was announced, in percent."""
    logical_bytes: int
    """The sizes of the files that listings show."""
    physical_bytes: int
    """The sizes of all files in storage; the quota is about these."""

    @property
    def percent(self) -> int:
        """How much of it is used, rounded down; a quota of nothing is used up."""
        return 100 * self.physical_bytes // self.bytes if self.bytes else 100

    @property
    def reached(self) -> int:
        """The highest threshold that is reached; 0 for none."""
        return max((each for each in THRESHOLDS if self.percent >= each), default=0)


_usage: Final = row_reader(QuotaUsage)


async def require_room(connection: Connection, project: Project, *, size: int, is_final: bool) -> None:
    """Check that the enforced quotas around a project have room for that many bytes.

    *is_final*: other uploads below these quotas wait until the transaction ends, so that their bytes are counted.

    Raises:
        QuotaExceededError: there is a quota without such room.
    """
    rows = await fetch(connection, "enforced_quotas", project_id=project.id, ancestry=list(project.ancestry))
    ids = [row["id"] for row in rows]
    if not ids:
        return
    if is_final:
        # The next statement sees what the uploads have written for which this one waited.
        await fetch(connection, "lock_quotas", ids=ids)
    # At 100 percent, an empty file is refused, too.
    if any(usage.physical_bytes + max(size, 1) > usage.bytes for usage in await _usages(connection, ids)):
        raise QuotaExceededError


async def around(
    connection: Connection, *, project_id: int | None = None, group_id: int | None = None
) -> Sequence[QuotaUsage]:
    """Return the quotas that count in a project or group, the nearest first."""
    rows = await fetch(connection, "quotas_around", project_id=project_id, group_id=group_id)
    return await _usages(connection, [row["id"] for row in rows])


@repeated
async def announce(database: Database) -> int:
    """Send an event for each threshold that a quota has reached since the last call; return how many."""
    sent = 0
    async with database.transaction() as connection:
        rows = await fetch(connection, "all_quotas")
        for usage in await _usages(connection, [row["id"] for row in rows]):
            if usage.reached == usage.level:
                continue
            changed = await fetch(
                connection, "change_quota_level", id=usage.id, level=usage.reached, before=usage.level
            )
            passed = [each for each in THRESHOLDS if usage.level < each <= usage.reached] if changed else []
            await outbox.append(connection, [outbox.event(_exceeded(usage, each)) for each in passed])
            sent += len(passed)
    return sent


async def _usages(connection: Connection, ids: Collection[int]) -> list[QuotaUsage]:
    if not ids:
        return []
    return [_usage(row) for row in await fetch(connection, "quota_usages", ids=list(ids))]


def _exceeded(usage: QuotaUsage, threshold: int) -> QuotaExceeded:
    return QuotaExceeded(
        notice_id=new_id(),
        quota_id=usage.id,
        project_id=usage.project_id,
        group_id=usage.group_id,
        root_group_id=usage.root_group_id,
        path=usage.path,
        threshold=threshold,
        quota_bytes=usage.bytes,
        enforced=usage.enforce,
        logical_bytes=usage.logical_bytes,
        physical_bytes=usage.physical_bytes,
    )
