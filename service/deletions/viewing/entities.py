"""Deletions as resources: the one place where their rows become what a client sees."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from schemas.http.deletion_resources import (
    Act,
    Batch,
    BatchLinks,
    BulkDeletion,
    BulkLinks,
    BulkRestoration,
    DeletedPackage,
    DeletionLinks,
    DeletionResource,
    PlannedLine,
    PlannedPackage,
    RefusalResource,
    Requester,
    RestoredDeletion,
    RestoreRefusal,
)
from schemas.names import AccessLevel
from schemas.statuses import ENDED, FAILED, IN_OR_BEFORE_GRACE, RESTORABLE, DeletionState
from service.access.access import LEVEL_TO_UNDO
from service.deletions.bulk import BulkPlan, PackageRefusal, RefusalReason
from service.deletions.deletion import Deletion
from service.deletions.undoing.restore import Restoration
from service.deletions.viewing.views import ActView, BatchPart, DeletionDetails, NamedUser
from service.refusals import DeletionHeldError, DeletionProtectedError, ForbiddenError, NotFoundError

NAMED_OF_DRY_RUN: Final = 1_000
"""How many packages a dry run names."""

_ON_HOLD: Final = "on hold"
"""The text that readers see in place of a hold's reason."""

_REFUSALS: Final = MappingProxyType(
    {
        RefusalReason.NOT_FOUND: NotFoundError.text,
        RefusalReason.FORBIDDEN: ForbiddenError.text,
        RefusalReason.PROTECTED: DeletionProtectedError.text,
    }
)


def deletion_entity(view: DeletionDetails, *, base: str, level: AccessLevel) -> DeletionResource:
    """Return a deletion, with who asked for it and who acted on it, to a reader of that level in its project."""
    deletion = view.deletion
    return DeletionResource(
        **_as_asked(deletion),
        requested_by=_person(view.requested_by),
        state=deletion.state,
        files_total=deletion.files_total,
        files_done=deletion.files_done,
        bytes_total=deletion.bytes_total,
        bytes_done=deletion.bytes_done,
        attempts=deletion.attempts,
        last_error=_visible_error(deletion.last_error, level),
        hold=_visible_hold(view.hold, level),
        destroy_after=deletion.not_before if deletion.state is DeletionState.GRACE else None,
        estimated_seconds_left=seconds_left(view, now=datetime.now(UTC)),
        finished_at=deletion.finished_at,
        restored_as=deletion.restored_as,
        acts=[_act(act) for act in view.acts],
        links=_links(view, base),
    )


def _as_asked(deletion: Deletion) -> dict[str, Any]:
    """Return the fields that say what was asked, and how."""
    return {
        "id": deletion.id,
        "project_id": deletion.project_id,
        "package": DeletedPackage(
            id=deletion.package_id,
            type=deletion.package_type,
            name=deletion.package_name,
            version=deletion.package_version,
            files=deletion.files_total,
            bytes=deletion.bytes_total,
        ),
        "package_file_id": deletion.package_file_id,
        "file_name": deletion.file_name,
        "cause": deletion.cause,
        "reason": deletion.reason,
        "credential": deletion.credential,
        "requested_at": deletion.requested_at,
        "lane": deletion.lane,
        "batch_id": deletion.batch_id,
    }


def deletion_url(base: str, project_id: int, deletion_id: UUID) -> str:
    """Return where a deletion is."""
    return f"{base}/api/v4/projects/{project_id}/deletions/{deletion_id}"


def batch_url(base: str, batch_id: UUID | None) -> str:
    """Return where a batch is; *base*: where the project or group is."""
    return f"{base}/deletion_batches/{batch_id}"


def seconds_left(view: DeletionDetails, *, now: datetime) -> int | None:
    """Estimate how long a deletion will take: at its current pace, or until its grace ends; None if unknown."""
    deletion = view.deletion
    done, began = deletion.files_done, deletion.removal_began_at
    if deletion.state in ENDED or view.hold is not None:
        return None
    pause = max(deletion.not_before - now, timedelta(0))
    if deletion.state is DeletionState.GRACE:
        return math.ceil(pause.total_seconds())
    if not done or began is None:
        return None
    return math.ceil((pause + (now - began) / done * max(deletion.files_total - done, 0)).total_seconds())


def bulk_entity(plan: BulkPlan, *, batch_id: UUID | None, base: str) -> BulkDeletion:
    """Return what becomes of many packages; without a *batch_id*, what would. *base*: where the project or group is."""
    most = None if batch_id else NAMED_OF_DRY_RUN
    is_done = batch_id is not None and bool(plan.accepted)
    return BulkDeletion(
        dry_run=batch_id is None,
        batch_id=batch_id if is_done else None,
        packages=len(plan.accepted),
        files=plan.files,
        bytes=plan.bytes,
        remaining=plan.remaining,
        accepted=planned_entities(plan)[:most],
        refused=refusal_entities(plan)[:most],
        links=BulkLinks(batch=batch_url(base, batch_id), deletions=_of_batch(base, batch_id)) if is_done else None,
    )


def planned_entities(plan: BulkPlan) -> list[PlannedPackage]:
    """Return the packages that go."""
    return [
        PlannedPackage(
            id=package.id,
            project_id=package.project_id,
            package_type=package.package_type,
            name=package.name,
            version=package.version,
            files=package.files,
            bytes=package.bytes,
            deletion_id=plan.deletion_ids.get(package.id),
        )
        for package in plan.accepted
    ]


def refusal_entities(plan: BulkPlan) -> list[RefusalResource]:
    """Return the packages that do not go."""
    return [
        RefusalResource(id=package_id, reason=refusal_text(refusal)) for package_id, refusal in plan.refused.items()
    ]


def refusal_text(refusal: PackageRefusal) -> str:
    """Return why a package does not go, as the call for it alone would say."""
    if refusal.reason is RefusalReason.ON_HOLD:
        return DeletionHeldError(refusal.hold or "").body()["message"]
    return _REFUSALS[refusal.reason]


def planned_lines(plan: BulkPlan) -> list[PlannedLine]:
    """Return the packages that go and those that do not, each for a line of its own."""
    accepted = [
        PlannedLine(outcome="accepted", id=package.id, reason=None, package=package)
        for package in planned_entities(plan)
    ]
    refused = [
        PlannedLine(outcome="refused", id=refusal.id, reason=refusal.reason, package=None)
        for refusal in refusal_entities(plan)
    ]
    return accepted + refused


def restoration_entity(restoration: Restoration, *, batch_id: UUID) -> BulkRestoration:
    """Return what became of a batch that was to be undone."""
    return BulkRestoration(
        batch_id=batch_id,
        restored=[
            RestoredDeletion(id=deletion.id, project_id=deletion.project_id, package_id=deletion.package_id)
            for deletion in restoration.restored
        ],
        refused=[RestoreRefusal(id=deletion_id, reason=reason) for deletion_id, reason in restoration.refused.items()],
    )


def batch_entity(parts: Sequence[BatchPart], *, batch_id: UUID, base: str, place: str | None) -> Batch:
    """Return how far a batch is, of one part for each state.

    The project or group is at *base* for clients, and at *place* for people; None: nobody named one.
    """
    finished = [part.finished_at for part in parts if part.state in ENDED and part.finished_at is not None]
    return Batch(
        id=batch_id,
        deletions=sum(part.deletions for part in parts),
        states={part.state: part.deletions for part in sorted(parts, key=lambda part: part.state)},
        files_total=sum(part.files_total for part in parts),
        files_done=sum(part.files_done for part in parts),
        bytes_total=sum(part.bytes_total for part in parts),
        bytes_done=sum(part.bytes_done for part in parts),
        reason=parts[0].reason,
        requested_at=min(part.requested_at for part in parts),
        finished_at=max(finished) if len(finished) == len(parts) else None,
        links=BatchLinks(
            web_path=None if place is None else f"{place}/-/deletion_batches/{batch_id}",
            itself=batch_url(base, batch_id),
            deletions=_of_batch(base, batch_id),
        ),
    )


def _links(view: DeletionDetails, base: str) -> DeletionLinks:
    deletion = view.deletion
    itself, state = deletion_url(base, deletion.project_id, deletion.id), deletion.state
    project = f"{base}/api/v4/projects/{deletion.project_id}"
    is_restorable = state in RESTORABLE and deletion.removal_began_at is None
    return DeletionLinks(
        web_path=f"/{view.project_path}/-/deletions/{deletion.id}",
        itself=itself,
        package=f"{project}/packages/{deletion.package_id}" if view.has_package else None,
        batch=batch_url(project, deletion.batch_id) if deletion.batch_id else None,
        restore=f"{itself}/restore" if is_restorable else None,
        retry=f"{itself}/retry" if state in FAILED else None,
        destroy_now=f"{itself}/destroy_now" if state in IN_OR_BEFORE_GRACE else None,
    )


def _visible_error(error: str | None, level: AccessLevel) -> str | None:
    # The text after the kind of an error comes from the store. It may name folders, hosts and buckets, which only
    # maintainers may see.
    return error.partition(":")[0] if error and level < LEVEL_TO_UNDO else error


def _visible_hold(reason: str | None, level: AccessLevel) -> str | None:
    # An operator wrote the reason for colleagues: it may name a court case or a person.
    return _ON_HOLD if reason is not None and level < LEVEL_TO_UNDO else reason


def _of_batch(base: str, batch_id: UUID | None) -> str:
    return f"{base}/deletions?batch_id={batch_id}"


def _act(act: ActView) -> Act:
    return Act(action=act.action, by=_person(act.by), credential=act.credential, acted_at=act.acted_at)


def _person(person: NamedUser | None) -> Requester | None:
    return None if person is None else Requester(id=person.id, username=person.username, name=person.name)
