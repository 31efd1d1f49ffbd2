"""The page of a batch: how far all deletions of one call are, with undo and retry for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from aiohttp import web

from schemas.http.deletion_parameters import DeletionListing
from schemas.http.deletion_resources import Batch
from schemas.statuses import IN_OR_BEFORE_GRACE, RESTORABLE, DeletionState
from service.deletions.undoing.restore import restore_batch
from service.deletions.viewing import views
from service.deletions.viewing.entities import batch_entity
from service.deletions.viewing.failures import FailureGroup, failed_of, failures_of, retry_all
from service.http.keys import CONTEXT
from service.origins import actor_of
from service.web.deletions import DeletionView, views_in
from service.web.frame.rendering import render
from service.web.frame.routing import GROUP, PROJECT, PageRoutes
from service.web.outcomes import BatchOutcome, counted, shown_outcome, to_outcome
from service.web.parameters import read_uuid
from service.web.scopes import PlaceScope, scope_visit
from service.web.visits import sent_form

routes = PageRoutes()

_BATCH: Final = "/-/deletion_batches/{batch_id:[0-9a-fA-F-]+}"
_SHOWN: Final = 20
_ORDER: Final = (
    DeletionState.SUCCEEDED,
    DeletionState.RESTORED,
    DeletionState.FAILED,
    DeletionState.RETRYING,
    DeletionState.DESTROYING,
    DeletionState.GRACE,
    DeletionState.QUEUED,
)
_WIDTH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Bar:
    """One state in the stacked bar: where it begins, and how wide it is, in thousandths."""

    state: DeletionState
    deletions: int
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch, and how long all of it can still be undone."""

    resource: Batch
    grace_ends: datetime | None
    """The earliest end of a grace in it."""

    @property
    def is_waiting(self) -> bool:
        """Whether no byte of it can be gone yet."""
        return self.resource.states.keys() <= IN_OR_BEFORE_GRACE | {DeletionState.RESTORED}

    @property
    def grace_left_s(self) -> float:
        """How many seconds are left until the first grace ends."""
        return 0.0 if self.grace_ends is None else max(0.0, (self.grace_ends - datetime.now(UTC)).total_seconds())

    @property
    def bars(self) -> Sequence[Bar]:
        """Its states as parts of one bar, the ended ones first."""
        bars: list[Bar] = []
        start = 0.0
        for state in _ORDER:
            width = _WIDTH * self.resource.states.get(state, 0) / max(1, self.resource.deletions)
            if width:
                bars.append(Bar(state, self.resource.states[state], start, width))
            start += width
        return bars


@routes.page(PROJECT + _BATCH)
@routes.page(GROUP + _BATCH)
async def show_batch(request: web.Request) -> web.Response:
    """Show how far a batch is."""
    batch_id = read_uuid(request, "batch_id")
    async with scope_visit(request) as (connection, scope):
        parts = await views.progress_of(connection, batch_id, project_ids=scope.levels)
        listing = DeletionListing.model_validate({"batch_id": str(batch_id), "per_page": _SHOWN})
        listed = await views.list_newest(connection, scope.levels, listing)
        failures = await failures_of(connection, scope.levels, batch_id=batch_id)
    batch = batch_entity(parts, batch_id=batch_id, base="", place=scope.place.address)
    ends = next((part.not_before for part in parts if part.state is DeletionState.GRACE), None)
    return _page(
        request, scope, BatchView(batch, ends), views_in(listed.deletions, scope.levels, scope.caller), failures
    )


@routes.form(PROJECT + _BATCH + "/restore")
@routes.form(GROUP + _BATCH + "/restore")
async def restore_all(request: web.Request) -> web.Response:
    """Undo each deletion of a batch that can still be undone, and lead to what came of it."""
    caller, _ = await sent_form(request)
    batch_id = read_uuid(request, "batch_id")
    async with scope_visit(request) as (_, scope):
        own = scope.require_own()
    done = await restore_batch(
        request.app[CONTEXT].deletions, batch_id, actor=actor_of(request, caller), project_ids=own
    )
    outcome = BatchOutcome("restore", len(done.restored), counted(done.refused.values()))
    return to_outcome(request, _address(scope, batch_id), outcome)


@routes.form(PROJECT + _BATCH + "/retry")
@routes.form(GROUP + _BATCH + "/retry")
async def retry_failed(request: web.Request) -> web.Response:
    """Begin the failed deletions of a batch anew, and lead to what came of it."""
    caller, _ = await sent_form(request)
    batch_id = read_uuid(request, "batch_id")
    async with scope_visit(request) as (connection, scope):
        own = scope.require_own()
        failed = await failed_of(connection, own, batch_id=batch_id, kind=None)
    done = await retry_all(request.app[CONTEXT].deletions, failed, actor=actor_of(request, caller), levels=own)
    outcome = BatchOutcome("retry", done.changed, counted(done.refused))
    return to_outcome(request, _address(scope, batch_id), outcome)


def _page(
    request: web.Request,
    scope: PlaceScope,
    view: BatchView,
    deletions: Sequence[DeletionView],
    failures: Sequence[FailureGroup],
) -> web.Response:
    return render(
        request,
        "batch.html",
        place=scope.place,
        view=view,
        batch=view.resource,
        deletions=deletions,
        failures=failures,
        outcome=shown_outcome(request, _address(scope, view.resource.id)),
        may_change=bool(scope.own),
        can_restore=any(view.resource.states.get(state) for state in RESTORABLE),
    )


def _address(scope: PlaceScope, batch_id: UUID) -> str:
    return f"{scope.place.address}/-/deletion_batches/{batch_id}"
