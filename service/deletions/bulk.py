"""Deleting many packages in one call: planned, then carried out as planned, in one transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from schemas.http.bulk import PackageFilter
from schemas.names import AccessLevel
from service.deletions import counters
from service.deletions import events as deletion_events
from service.deletions.rows import accepting as accepting_rows
from service.deletions.rows import bulk as bulk_rows
from service.deletions.rows.accepting import Deletion, Origin, PackageToDelete
from service.deletions.rows.bulk import Candidate
from service.events import outbox
from service.ids import new_id
from service.infra.postgres.database import Connection, Record, Sessions, interferences
from service.refusals import (
    ConflictError,
    DeletionHeldError,
    DeletionProtectedError,
    ForbiddenError,
    NotFoundError,
    OutboxBehindError,
)

_PORTION: Final = 500
"""How many deletions one statement writes; between two, other requests have their turn."""
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """The packages to be deleted, and the conditions for that."""

    what: PackageFilter | tuple[int, ...]
    """A filter, or the ids of packages."""
    levels: Mapping[int, AccessLevel]
    """The caller's level in each project that the call is about."""
    expected_count: int | None = None


@dataclass(frozen=True, slots=True)
class BulkPlan:
    """The packages that would go, those that would be refused and why, and how many more match."""

    accepted: Sequence[Candidate]
    refused: Mapping[int, str]
    remaining: int
    deletion_ids: Mapping[int, UUID] = field(default_factory=dict)
    """Package -> the deletion that was accepted; none in a plan that was only made."""

    @property
    def files(self) -> int:
        """How many files go."""
        return sum(package.files for package in self.accepted)

    @property
    def bytes(self) -> int:
        """How many bytes go."""
        return sum(package.bytes for package in self.accepted)


async def plan_deletion(database: Sessions, wanted: Wanted) -> BulkPlan:
    """Return what would go, and change nothing.

    Raises:
        ConflictError: it is not as many packages as were expected.
    """
    async with database.connection() as connection:
        return await _plan(connection, wanted, lock=False)


async def require_moving_outbox(database: Sessions, *, limit: timedelta) -> None:
    """Refuse, while the broker is away for long, what would pile up by the ten thousand in the database.

    Raises:
        OutboxBehindError: some command has waited for the relay longer than *limit*.
    """
    async with database.connection() as connection:
        if await outbox.is_behind(connection, limit):
            raise OutboxBehindError


async def delete_packages(database: Sessions, origin: Origin, wanted: Wanted, *, resend: timedelta) -> BulkPlan:
    """Accept the deletions of what is planned now; it stays as planned until they are accepted.

    Raises:
        ConflictError: it is not as many packages as were expected; or others change the same packages all the time.
    """
    for _ in range(_TRIES):
        try:
            async with database.transaction() as connection:
                plan = await _plan(connection, wanted, lock=True)
                deletions = await _accept(connection, origin, plan.accepted, resend=resend)
        except interferences():
            continue
        counters.requested(deletions.values())
        return _carried_out(plan, deletions)
    raise ConflictError("others are changing the same packages: try again")


async def progress_of(
    connection: Connection, batch_id: UUID, *, project_ids: Collection[int] | None
) -> Sequence[Record]:
    """Return how far a batch is, one row for each state that its deletions in these projects (None: all) are in.

    Raises:
        NotFoundError: the batch has no deletion there.
    """
    rows = await bulk_rows.summarise(connection, batch_id, None if project_ids is None else list(project_ids))
    if not rows:
        raise NotFoundError
    return rows


async def holds_on(connection: Connection, batch_id: UUID, *, limit: int) -> Sequence[str]:
    """Return the reasons of the holds that stop deletions of a batch, at most *limit*."""
    return await bulk_rows.holds_on(connection, batch_id, limit=limit)


async def _plan(connection: Connection, wanted: Wanted, *, lock: bool) -> BulkPlan:
    found = await bulk_rows.plan(connection, wanted.levels, wanted.what, lock=lock)
    refused = {package.id: reason for package in found.packages if (reason := _why_not(package))}
    if isinstance(wanted.what, tuple):
        known = {package.id for package in found.packages}
        refused |= {package_id: NotFoundError.text for package_id in wanted.what if package_id not in known}
    accepted = [package for package in found.packages if package.id not in refused]
    if wanted.expected_count is not None and wanted.expected_count != len(accepted):
        raise ConflictError(f"{len(accepted)} packages would be deleted, {wanted.expected_count} were expected")
    return BulkPlan(accepted, dict(sorted(refused.items())), found.remaining)


def _why_not(package: Candidate) -> str | None:
    if package.level < AccessLevel.MAINTAINER:
        return ForbiddenError.text
    if package.hold is not None:
        return DeletionHeldError(package.hold).body()["message"]
    return DeletionProtectedError.text if package.is_protected else None


async def _accept(
    connection: Connection, origin: Origin, packages: Sequence[Candidate], *, resend: timedelta
) -> dict[int, Deletion]:
    accepted: dict[int, Deletion] = {}
    for start in range(0, len(packages), _PORTION):
        to_delete = [
            PackageToDelete(package.id, package.status, package.level, new_id(), new_id())
            for package in packages[start : start + _PORTION]
        ]
        deletions = await accepting_rows.insert_for_packages(connection, origin, to_delete, resend=resend)
        ids = [deletion.id for deletion in deletions]
        messages = [deletion_events.requested(deletion) for deletion in deletions]
        await outbox.append(connection, [*messages, *deletion_events.commands(origin.lane, ids)])
        accepted |= {deletion.package_id: deletion for deletion in deletions}
    return accepted


def _carried_out(plan: BulkPlan, deletions: Mapping[int, Deletion]) -> BulkPlan:
    # The plan's statement may have waited for an upload, and does not see its file; the deletions do.
    accepted = [
        replace(package, files=deletions[package.id].files_total, bytes=deletions[package.id].bytes_total)
        for package in plan.accepted
    ]
    ids = {package_id: deletion.id for package_id, deletion in deletions.items()}
    return replace(plan, accepted=accepted, deletion_ids=ids)
