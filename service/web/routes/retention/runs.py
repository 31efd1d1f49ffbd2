"""The pages of runs: their list, and one by itself with approval, report and undoing."""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from aiohttp import web
from multidict import MultiMapping

from schemas.http.retention import ReportedPackage
from service.access import access
from service.deletions.undoing.restore import restore_batch
from service.http.keys import CONTEXT
from service.http.operations import Media
from service.http.serving.streams import stream_list
from service.infra.postgres.database import Connection
from service.origins import actor_of
from service.refusals import ConflictError, NotFoundError
from service.retention import ending, reports, runs
from service.retention.entities import item_entity, report_entity
from service.retention.runs import RunState
from service.web.frame.rendering import render, see_other
from service.web.frame.routing import PageRoutes
from service.web.outcomes import BatchOutcome, counted, to_outcome
from service.web.parameters import read_uuid, with_parameters
from service.web.routes.retention.lists import read_id
from service.web.routes.retention.places import RuledPlace, RulePages, ruled_visit
from service.web.routes.retention.run_page import run_page
from service.web.visits import sent_form

routes = PageRoutes()
_pages: Final = RulePages(routes)

_RUN: Final = "/runs/{run_id:[0-9a-fA-F-]+}"
_ON_A_PAGE: Final = 20
_MOST_PAGES: Final = 10_000
_FILES: Final = {"csv": Media.CSV, "json": Media.JSON, "ndjson": Media.NDJSON}
_COLUMNS: Final = tuple(ReportedPackage.model_fields)


@_pages.page("/runs")
async def show_runs(request: web.Request) -> web.Response:
    """Show the runs of the rules of a place, the newest first."""
    page = min(read_id(request.query.get("page", "")) or 1, _MOST_PAGES)
    async with ruled_visit(request) as (connection, place):
        found = await runs.list_runs(connection, place.key, limit=_ON_A_PAGE + 1, offset=(page - 1) * _ON_A_PAGE)
        undone = await reports.undone_among(connection, found)
    return render(
        request,
        "retention/runs.html",
        place=place.view,
        address=place.address,
        runs=found[:_ON_A_PAGE],
        undone=undone,
        first_address=with_parameters(request, page=None) if page > 1 else None,
        next_address=with_parameters(request, page=page + 1) if len(found) > _ON_A_PAGE else None,
    )


@_pages.page(_RUN)
async def show_run(request: web.Request) -> web.Response:
    """Show a run: its plan, what became of its list, and what can be done about it."""
    run_id = read_uuid(request, "run_id")
    async with ruled_visit(request) as (_, place):
        pass
    return await run_page(request, place, run_id)


@_pages.resource(_RUN + "/packages.{kind:csv|json|ndjson}")
async def download_report(request: web.Request) -> web.StreamResponse:
    """Send the report of a run as a file: each package that its rule is about."""
    run_id, kind = read_uuid(request, "run_id"), request.match_info["kind"]
    async with ruled_visit(request) as (connection, place):
        run = await runs.find_run(connection, place.key, run_id)
        head = report_entity(run, await reports.outcome_of(connection, run))
        async with connection.transaction(readonly=True):
            rows = (item_entity(each) async for each in reports.stream_items(connection, run.id))
            return await stream_list(request, head, rows, _COLUMNS, file=(f"retention-{run.id}.{kind}", _FILES[kind]))


@_pages.form(_RUN + "/approve")
async def approve_run(request: web.Request) -> web.Response:
    """Approve the list that was shown; a form that comes twice leads to the same run."""
    _, fields = await sent_form(request)
    run_id = read_uuid(request, "run_id")
    async with ruled_visit(request) as (_, place):
        pass
    try:
        async with request.app[CONTEXT].database.transaction() as connection:
            run = await runs.find_run(connection, place.key, run_id, lock=True)
            if run.approved_at is None:
                packages, size = _seen(fields)
                await runs.approve_run(connection, run, user_id=place.caller.user_id, packages=packages, size=size)
    except ConflictError as error:
        return await _refused(request, place, run_id, error)
    return see_other(request, f"{place.address}/runs/{run_id}")


@_pages.form(_RUN + "/refuse")
async def refuse_run(request: web.Request) -> web.Response:
    """Refuse the list of a run; a form that comes twice does the same."""
    await sent_form(request)
    run_id = read_uuid(request, "run_id")
    async with ruled_visit(request) as (_, place):
        pass
    try:
        async with request.app[CONTEXT].database.transaction() as connection:
            run = await runs.find_run(connection, place.key, run_id, lock=True)
            if run.state is not RunState.REFUSED:
                await ending.refuse_run(connection, run, user_id=place.caller.user_id, who=str(place.caller.username))
    except ConflictError as error:
        return await _refused(request, place, run_id, error)
    return see_other(request, f"{place.address}/runs/{run_id}")


@_pages.form(_RUN + "/undo")
async def undo_run(request: web.Request) -> web.Response:
    """Undo each deletion of a run that can still be undone, and lead to what came of it."""
    caller, _ = await sent_form(request)
    run_id = read_uuid(request, "run_id")
    async with ruled_visit(request) as (connection, place):
        await runs.find_run(connection, place.key, run_id)
        own = await _own_projects(connection, place)
    outcome = BatchOutcome("restore", 0, ())
    try:
        done = await restore_batch(
            request.app[CONTEXT].deletions, run_id, actor=actor_of(request, caller), project_ids=own
        )
        outcome = BatchOutcome("restore", len(done.restored), counted(done.refused.values()))
    except NotFoundError:
        pass
    return to_outcome(request, f"{place.address}/runs/{run_id}", outcome)


async def _own_projects(connection: Connection, place: RuledPlace) -> Collection[int] | None:
    """Return the projects of a place in which the caller may undo deletions; None: all."""
    if place.key.project_id is not None:
        return [place.key.project_id]
    if place.view is None:
        return None
    group = await access.visible_group(connection, place.caller, place.view.path)
    levels = await access.project_levels(connection, place.caller, group)
    return [number for number, level in levels.items() if level >= access.LEVEL_TO_UNDO]


async def _refused(request: web.Request, place: RuledPlace, run_id: UUID, error: ConflictError) -> web.Response:
    words = next(iter(error.body().values()))
    return await run_page(request, place, run_id, notice=words, status=error.status)


def _seen(fields: MultiMapping[str]) -> tuple[int, int]:
    packages, size = (fields.get(name, "") for name in ("packages", "bytes"))
    return (int(packages), int(size)) if packages.isdecimal() and size.isdecimal() else (-1, -1)
