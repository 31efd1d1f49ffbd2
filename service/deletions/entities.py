"""Deletions as resources: the one place where their rows become what a client sees."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
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
    Refusal,
    Requester,
    RestoredDeletion,
    RestoreRefusal,
)
from schemas.names import AccessLevel
from schemas.statuses import ENDED, FAILED, IN_OR_BEFORE_GRACE, RESTORABLE, DeletionState
from service.deletions.bulk import BulkPlan
from service.deletions.undoing import Restoration
from service.infra.postgres.database import Record

NAMED_OF_DRY_RUN: Final = 1_000
"""How many packages a dry run names."""

_SAME: Final = frozenset(DeletionResource.model_fields) - {
    *("package", "requested_by", "destroy_after", "estimated_seconds_left", "acts", "links", "last_error", "hold"),
}
"""The fields that a deletion's row and resource have under the same name."""

_ON_HOLD: Final = "on hold"
"""The text that readers see in place of a hold's reason."""


def deletion_entity(deletion: Record, *, base: str, level: AccessLevel) -> DeletionResource:
    """Return a deletion, with who asked for it and who acted on it, to a reader of that level in its project."""
    values: dict[str, Any] = {
        **{name: deletion[name] for name in _SAME},
        "last_error": _visible_error(deletion["last_error"], level),
        "hold": _visible_hold(deletion["hold"], level),
        "package": DeletedPackage(
            id=deletion["package_id"],
            type=deletion["package_type"],
            name=deletion["package_name"],
            version=deletion["package_version"],
            files=deletion["files_total"],
            bytes=deletion["bytes_total"],
        ),
        "requested_by": _person(deletion["requested_by"], deletion["username"], deletion["user_name"]),
        "destroy_after": deletion["not_before"] if deletion["state"] == DeletionState.GRACE else None,
        "estimated_seconds_left": seconds_left(deletion, now=datetime.now(UTC)),
        "acts": [_act(act) for act in deletion["acts"] or ()],
        "_links": _links(deletion, base),
    }
    return DeletionResource.model_validate(values)


def deletion_url(base: str, project_id: int, deletion_id: UUID) -> str:
    """Return where a deletion is."""
    return f"{base}/api/v4/projects/{project_id}/deletions/{deletion_id}"


def batch_url(base: str, batch_id: UUID | None) -> str:
    """Return where a batch is; *base*: where the project or group is."""
    return f"{base}/deletion_batches/{batch_id}"


def seconds_left(deletion: Record, *, now: datetime) -> int | None:
    """Estimate how long a deletion will take: at its current pace, or until its grace ends; None if unknown."""
    done: int = deletion["files_done"]
    total: int = deletion["files_total"]
    began: datetime | None = deletion["removal_began_at"]
    not_before: datetime = deletion["not_before"]
    if deletion["state"] in ENDED or deletion["hold"] is not None:
        return None
    pause = max(not_before - now, timedelta(0))
    if deletion["state"] == DeletionState.GRACE:
        return math.ceil(pause.total_seconds())
    if not done or began is None:
        return None
    return math.ceil((pause + (now - began) / done * max(total - done, 0)).total_seconds())


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


def refusal_entities(plan: BulkPlan) -> list[Refusal]:
    """Return the packages that do not go."""
    return [Refusal(id=package_id, reason=reason) for package_id, reason in plan.refused.items()]


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


def batch_entity(rows: Sequence[Record], *, batch_id: UUID, base: str) -> Batch:
    """Return how far a batch is, of one row for each state; *base*: where the project or group is."""
    has_ended = all(row["state"] in ENDED for row in rows)
    counted = ("files_total", "files_done", "bytes_total", "bytes_done")
    return Batch(
        id=batch_id,
        deletions=sum(row["deletions"] for row in rows),
        states={DeletionState(row["state"]): row["deletions"] for row in sorted(rows, key=lambda row: row["state"])},
        **{name: sum(row[name] for row in rows) for name in counted},
        reason=rows[0]["reason"],
        requested_at=min(row["requested_at"] for row in rows),
        finished_at=max(row["finished_at"] for row in rows) if has_ended else None,
        links=BatchLinks(itself=batch_url(base, batch_id), deletions=_of_batch(base, batch_id)),
    )


def _links(deletion: Record, base: str) -> DeletionLinks:
    itself, state = deletion_url(base, deletion["project_id"], deletion["id"]), deletion["state"]
    project = f"{base}/api/v4/projects/{deletion['project_id']}"
    possible = {
        "restore": state in RESTORABLE and deletion["removal_began_at"] is None,
        "retry": state in FAILED,
        "destroy_now": state in IN_OR_BEFORE_GRACE,
    }
    return DeletionLinks(
        itself=itself,
        package=f"{project}/packages/{deletion['package_id']}" if deletion["has_package"] else None,
        batch=batch_url(project, deletion["batch_id"]) if deletion["batch_id"] else None,
        **{action: f"{itself}/{action}" if is_possible else None for action, is_possible in possible.items()},
    )


def _visible_error(error: str | None, level: AccessLevel) -> str | None:
    # The text after the kind of an error comes from the store. It may name folders, hosts and buckets, which only
    # maintainers may see.
    return error.partition(":")[0] if error and level < AccessLevel.MAINTAINER else error


def _visible_hold(reason: str | None, level: AccessLevel) -> str | None:
    # An operator wrote the reason for colleagues: it may name a court case or a person.
    return _ON_HOLD if reason is not None and level < AccessLevel.MAINTAINER else reason


def _of_batch(base: str, batch_id: UUID | None) -> str:
    return f"{base}/deletions?batch_id={batch_id}"


def _act(act: Mapping[str, Any]) -> Act:
    return Act(
        action=act["action"],
        by=_person(act["user_id"], act["username"], act["name"]),
        credential=act["credential"],
        acted_at=act["acted_at"],
    )


def _person(user_id: int | None, username: str | None, name: str | None) -> Requester | None:
    if user_id is None or username is None or name is None:
        return None
    return Requester(id=user_id, username=username, name=name)
