"""Runs of retention rules: asked for, shown, reported and approved."""

from typing import Final
from uuid import UUID

from aiohttp import web

from schemas.http.retention import ReportedPackage, RunApproval, RunListing, RunReport, RunRequest, RunResource
from service.api.retention_places import RULE_PLACES, RuleVisit
from service.http.bodies import read_body
from service.http.carriers import OF_PROJECT
from service.http.keys import CONTEXT, READS
from service.http.operations import Answer, Media, Routes, one
from service.http.parameters import UUID_RULE, read_path, read_query
from service.http.places import PlaceRoutes
from service.http.replies import reply
from service.http.serving.streams import stream_list
from service.infra.postgres.expensive_reads import Cost
from service.refusals import ConflictError, NotFoundError
from service.retention import reports, rules, runs
from service.retention.ending import refuse_run
from service.retention.entities import item_entity, report_entity, run_entity

routes = Routes("Retention", carriers=OF_PROJECT)
_places: Final = PlaceRoutes[RuleVisit](routes, *RULE_PLACES)

_RUN_RULES: Final = {"run_id": UUID_RULE}
_RUNS_ON_A_PAGE: Final = 20
_SHAPE_OF_ITEMS: Final = tuple(ReportedPackage.model_fields)


@_places.get("/retention/runs", query=RunListing, answers=one(list[RunResource]))
async def list_retention_runs_of_place(request: web.Request, visit: RuleVisit) -> web.Response:
    """List the runs of the retention rules of a place, the newest first."""
    async with visit(request) as (connection, visited):
        query = read_query(request, RunListing)
        found = await runs.list_runs(
            connection, visited.place, limit=_RUNS_ON_A_PAGE, offset=min(query.page - 1, 10_000) * _RUNS_ON_A_PAGE
        )
    return reply([run_entity(each) for each in found])


@_places.post(
    "/retention/runs",
    body=RunRequest,
    answers=one(RunResource, status=202),
    refusals=(NotFoundError, ConflictError("another run of the rule is under way")),
)
async def ask_for_retention_run_of_place(request: web.Request, visit: RuleVisit) -> web.Response:
    """Ask for a run of a retention rule of a place; the scheduler carries it out."""
    async with visit(request) as (_, visited):
        pass
    body = await read_body(request, RunRequest)
    async with request.app[CONTEXT].database.transaction() as connection:
        stored = await rules.find_rule(connection, visited.place, body.rule_id, lock=True)
        run = await runs.ask_for_run(connection, stored, requested_by=visited.caller.user_id, dry_run=body.dry_run)
    return reply(run_entity(run), status=202)


@_places.get("/retention/runs/{run_id}", path_rules=_RUN_RULES, answers=one(RunReport), refusals=(NotFoundError,))
async def show_retention_run_of_place(request: web.Request, visit: RuleVisit) -> web.Response:
    """Show a run of a retention rule of a place, and what became of its list."""
    async with visit(request) as (_, visited):
        run_id = _run_id(request)
    async with request.app[READS].connection(Cost.PLANNED) as connection:
        run = await runs.find_run(connection, visited.place, run_id)
        return reply(report_entity(run, await reports.outcome_of(connection, run)))


@_places.get(
    "/retention/runs/{run_id}/packages",
    path_rules=_RUN_RULES,
    answers=Answer(200, ReportedPackage, media=Media.NDJSON),
    refusals=(NotFoundError,),
)
async def report_retention_run_of_place(request: web.Request, visit: RuleVisit) -> web.StreamResponse:
    """List the packages on the list of a run of a retention rule of a place.

    `Accept` chooses JSON, `application/x-ndjson` or `text/csv`.
    """
    async with visit(request) as (connection, visited):
        run = await runs.find_run(connection, visited.place, _run_id(request))
        head = report_entity(run, await reports.outcome_of(connection, run))
        async with connection.transaction(readonly=True):
            rows = (item_entity(each) async for each in reports.stream_items(connection, run.id))
            return await stream_list(request, head, rows, _SHAPE_OF_ITEMS)


@_places.post(
    "/retention/runs/{run_id}/approve",
    path_rules=_RUN_RULES,
    body=RunApproval,
    answers=one(RunResource),
    refusals=(NotFoundError, ConflictError("the run has 12 packages with 4096 bytes")),
)
async def approve_retention_run_of_place(request: web.Request, visit: RuleVisit) -> web.Response:
    """Approve the list of a run of a retention rule of a place: those on it that still match go."""
    async with visit(request) as (_, visited):
        run_id = _run_id(request)
    body = await read_body(request, RunApproval)
    async with request.app[CONTEXT].database.transaction() as connection:
        run = await runs.find_run(connection, visited.place, run_id, lock=True)
        approved = await runs.approve_run(
            connection, run, user_id=visited.caller.user_id, packages=body.packages, size=body.bytes
        )
    return reply(run_entity(approved))


@_places.post(
    "/retention/runs/{run_id}/refuse",
    answers=one(RunResource),
    refusals=(NotFoundError, ConflictError("the run is finished, and does not wait for approval")),
    path_rules=_RUN_RULES,
)
async def refuse_retention_run_of_place(request: web.Request, visit: RuleVisit) -> web.Response:
    """Refuse the list of a run of a retention rule of a place that waits for approval: nothing on it goes."""
    async with visit(request) as (_, visited):
        run_id = _run_id(request)
    async with request.app[CONTEXT].database.transaction() as connection:
        run = await runs.find_run(connection, visited.place, run_id, lock=True)
        refused = await refuse_run(connection, run, user_id=visited.caller.user_id, who=str(visited.caller.username))
    return reply(run_entity(refused))


def _run_id(request: web.Request) -> UUID:
    read_path(request)
    return UUID(request.match_info["run_id"])
