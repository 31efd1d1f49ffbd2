"""Many packages at a time: a filter, what it would delete, a confirmation, and the deletion."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from aiohttp import web
from multidict import MultiMapping

from schemas.http.bulk import MOST_PACKAGES, PackageFilter
from schemas.names import PackageType
from schemas.statuses import DISPLAYABLE
from service.deletions import bulk
from service.deletions.bulk import BulkPlan, Wanted
from service.deletions.planning import Candidate
from service.deletions.viewing import overview as deletion_overview
from service.deletions.viewing import views
from service.deletions.viewing.entities import refusal_text
from service.http.keys import CONTEXT, LOG_FIELDS
from service.ids import new_id
from service.infra.postgres.database import Within
from service.origins import origin_of_batch
from service.refusals import ConflictError, ForeignFormError, NotFoundError, OutboxBehindError
from service.web.filters import FIELDS, given_conditions, read_filter
from service.web.frame.rendering import FORM_TOKEN, render, see_other
from service.web.frame.routing import GROUP, PROJECT, PageRoutes
from service.web.parameters import reason_of
from service.web.scopes import PlaceScope, scope_visit
from service.web.sessions.forms import sign, verify
from service.web.views import package_address
from service.web.visits import sent_form

routes = PageRoutes()

_NAMED: Final = 50
_REASONS: Final = 10
_NO_GRACE: Final = (timedelta(0), timedelta(0))
_PATH: Final = "/-/bulk_delete"


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A package that would go, and where its page is."""

    package: Candidate
    project_path: str
    address: str


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan as a page shows it: its sums, the first of its packages, and why others are refused."""

    packages: int
    files: int
    bytes: int
    remaining: int
    named: Sequence[PlannedRow]
    refused: int
    reasons: Sequence[tuple[str, int]]
    batch_id: UUID


@routes.page(PROJECT + _PATH)
@routes.page(GROUP + _PATH)
async def ask_to_delete_many(request: web.Request) -> web.Response:
    """Show the form of a filter, and with one what it would delete."""
    async with scope_visit(request) as (connection, scope):
        levels = scope.require_own()
        conditions = given_conditions(request.query)
        # A form without a condition was sent, too; a link to the page has no field at all.
        is_sent = any(name in request.query for name in FIELDS)
        found = read_filter(conditions) if is_sent else set[str]()
        plan, graces = None, _NO_GRACE
        if isinstance(found, PackageFilter):
            deletions = request.app[CONTEXT].deletions.within(Within(connection))
            plan = await bulk.plan_deletion(deletions, Wanted(found, levels))
            graces = await deletion_overview.range_of_graces(
                connection,
                {(package.project_id, package.package_type) for package in plan.accepted},
                default=deletions.grace,
            )
    wrong = set[str]() if isinstance(found, PackageFilter) else found
    return _page(request, scope, conditions, plan=plan, wrong=wrong, graces=graces)


@routes.form(PROJECT + _PATH)
@routes.form(GROUP + _PATH)
async def delete_many(request: web.Request) -> web.Response:
    """Delete what was shown, if it is still as much; a form that comes twice leads to the same batch."""
    caller, fields = await sent_form(request)
    batch_id = _read_batch_id(request, fields)
    async with scope_visit(request) as (_, scope):
        levels = scope.require_own()
    conditions = given_conditions(fields)
    found = read_filter(conditions)
    count = fields.get("expected_count", "")
    if not isinstance(found, PackageFilter) or not count.isdecimal() or int(count) > MOST_PACKAGES:
        return _page(request, scope, conditions, plan=None, wrong=found if isinstance(found, set) else {""})
    context = request.app[CONTEXT]
    request[LOG_FIELDS]["batch_id"] = str(batch_id)
    origin = origin_of_batch(request, caller, reason=reason_of(fields), batch_id=batch_id)
    try:
        await bulk.require_moving_outbox(context.deletions, limit=context.settings.outbox_limit)
        await bulk.delete_packages(context.deletions, origin, Wanted(found, levels, int(count)))
    except (ConflictError, OutboxBehindError) as error:
        if not await _is_there(request, scope, batch_id):
            words = next(iter(error.body().values()))
            return _page(request, scope, conditions, plan=None, notice=words, status=error.status)
    return see_other(request, f"{scope.place.address}/-/deletion_batches/{batch_id}#progress-title")


async def _is_there(request: web.Request, scope: PlaceScope, batch_id: UUID) -> bool:
    async with request.app[CONTEXT].database.connection() as connection:
        try:
            await views.progress_of(connection, batch_id, project_ids=scope.levels)
        except NotFoundError:
            return False
    return True


def _page(
    request: web.Request,
    scope: PlaceScope,
    conditions: Mapping[str, str],
    *,
    plan: BulkPlan | None,
    wrong: Collection[str] = (),
    graces: tuple[timedelta, timedelta] = _NO_GRACE,
    notice: str = "",
    status: int = 200,
) -> web.Response:
    view = None if plan is None else _view(plan, scope.paths)
    return render(
        request,
        "bulk_delete.html",
        status=status,
        place=scope.place,
        conditions={**dict.fromkeys(FIELDS, ""), **conditions},
        wrong=wrong,
        notice=notice,
        plan=view,
        graces=[grace.total_seconds() for grace in graces],
        signature=sign(request.get(FORM_TOKEN, ""), str(view.batch_id)) if view else "",
        types=list(PackageType),
        statuses=sorted(DISPLAYABLE),
    )


def _view(plan: BulkPlan, paths: Mapping[int, str]) -> PlanView:
    reasons = Counter(refusal_text(refusal) for refusal in plan.refused.values())
    return PlanView(
        packages=len(plan.accepted),
        files=plan.files,
        bytes=plan.bytes,
        remaining=plan.remaining,
        named=[_planned(package, paths[package.project_id]) for package in plan.accepted[:_NAMED]],
        refused=len(plan.refused),
        reasons=reasons.most_common(_REASONS),
        batch_id=new_id(),
    )


def _planned(package: Candidate, project_path: str) -> PlannedRow:
    return PlannedRow(package, project_path, package_address(project_path, package.package_type, package.id))


def _read_batch_id(request: web.Request, fields: MultiMapping[str]) -> UUID:
    """Return the id that the page gave to the batch: it is signed, so that nobody adds to a batch of others."""
    text = fields.get("batch_id", "")
    if not verify(request[FORM_TOKEN], text, fields.get("batch_signature", "")):
        raise ForeignFormError
    return UUID(text)
