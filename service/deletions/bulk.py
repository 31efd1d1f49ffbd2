"""Deleting many packages in one call: planned, then accepted as planned, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum, auto
from typing import Final
from uuid import UUID

from schemas.names import AccessLevel
from service.access.access import LEVEL_TO_DELETE
from service.concurrency import map_in_turns
from service.deletions import counters
from service.deletions.accept import AcceptedDeletion, PackageToDelete, accept_packages
from service.deletions.deletion import Deletions, Origin
from service.deletions.planning import Candidate, Selected, find_candidates
from service.events import outbox
from service.infra.postgres.database import Connection, interferences
from service.refusals import ConflictError, OutboxBehindError

_PORTION: Final = 1_000
"""How many deletions one statement writes; between two, other requests have their turn."""
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """The packages to be deleted, and the conditions for that."""

    what: Selected
    levels: Mapping[int, AccessLevel]
    """The caller's level in each project that the call is about."""
    expected_count: int | None = None


class RefusalReason(Enum):
    """Why a package is not deleted with the others."""

    NOT_FOUND = auto()
    FORBIDDEN = auto()
    ON_HOLD = auto()
    PROTECTED = auto()


@dataclass(frozen=True, slots=True)
class PackageRefusal:
    """Why a package is not deleted with the others, and the reason of the hold if one keeps it."""

    reason: RefusalReason
    hold: str | None = None


@dataclass(frozen=True, slots=True)
class BulkPlan:
    """The packages that would go, those that would be refused and why, and how many more match."""

    accepted: Sequence[Candidate]
    refused: Mapping[int, PackageRefusal]
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


async def plan_deletion(deletions: Deletions, wanted: Wanted) -> BulkPlan:
    """Return what would go, and change nothing.

    Raises:
        ConflictError: it is not as many packages as were expected.
    """
    async with deletions.database.connection() as connection:
        return await _plan(connection, wanted, lock=False)


async def require_moving_outbox(deletions: Deletions, *, limit: timedelta) -> None:
    """Refuse, while the broker is away for long, what would pile up by the ten thousand in the database.

    Raises:
        OutboxBehindError: some command has waited for the relay longer than *limit*.
    """
    async with deletions.database.connection() as connection:
        if await outbox.is_behind(connection, limit):
            raise OutboxBehindError


async def delete_packages(deletions: Deletions, origin: Origin, wanted: Wanted) -> BulkPlan:
    """Accept the deletions of what is planned now; it stays as planned until they are accepted.

    Raises:
        ConflictError: it is not as many packages as were expected; or others change the same packages all the time.
    """
    for _ in range(_TRIES):
        try:
            async with deletions.database.transaction() as connection:
                plan = await _plan(connection, wanted, lock=True)
                accepted = await _accept(connection, deletions, origin, plan.accepted)
        except interferences():
            continue
        counters.requested(accepted)
        return await _carried_out(plan, accepted)
    raise ConflictError("others are changing the same packages: try again")


async def _plan(connection: Connection, wanted: Wanted, *, lock: bool) -> BulkPlan:
    found = await find_candidates(connection, wanted.levels, wanted.what, lock=lock)
    refused = {package.id: refusal for package in found.packages if (refusal := _refusal_of(package))}
    if isinstance(wanted.what, tuple):
        known = {package.id for package in found.packages}
        unknown = [package_id for package_id in wanted.what if package_id not in known]
        refused |= dict.fromkeys(unknown, PackageRefusal(RefusalReason.NOT_FOUND))
    accepted = [package for package in found.packages if package.id not in refused]
    if wanted.expected_count is not None and wanted.expected_count != len(accepted):
        raise ConflictError(f"{len(accepted)} packages would be deleted, {wanted.expected_count} were expected")
    return BulkPlan(accepted, dict(sorted(refused.items())), found.remaining)


def _refusal_of(package: Candidate) -> PackageRefusal | None:
    if package.level < LEVEL_TO_DELETE:
        return PackageRefusal(RefusalReason.FORBIDDEN)
    if package.hold is not None:
        return PackageRefusal(RefusalReason.ON_HOLD, package.hold)
    return PackageRefusal(RefusalReason.PROTECTED) if package.is_protected else None


async def _accept(
    connection: Connection, deletions: Deletions, origin: Origin, packages: Sequence[Candidate]
) -> list[AcceptedDeletion]:
    accepted: list[AcceptedDeletion] = []
    for start in range(0, len(packages), _PORTION):
        part = packages[start : start + _PORTION]
        to_delete = [PackageToDelete(package.id, package.status, package.level) for package in part]
        accepted += await accept_packages(connection, deletions, origin, to_delete)
    return accepted


async def _carried_out(plan: BulkPlan, accepted: Sequence[AcceptedDeletion]) -> BulkPlan:
    by_package = {deletion.package_id: deletion for deletion in accepted}

    def as_accepted(package: Candidate) -> Candidate:
        # The plan's statement may have waited for an upload, and does not see its file; the deletion does.
        deletion = by_package[package.id]
        if (package.files, package.bytes) == (deletion.files_total, deletion.bytes_total):
            return package
        return replace(package, files=deletion.files_total, bytes=deletion.bytes_total)

    packages = await map_in_turns(as_accepted, plan.accepted)
    ids = {package_id: deletion.id for package_id, deletion in by_package.items()}
    return replace(plan, accepted=packages, deletion_ids=ids)
