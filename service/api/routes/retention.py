"""Retention: rules of a project, a group or the instance, and what they would do."""

from typing import Final

from aiohttp import web

from schemas.http.retention import (
    PackageFate,
    PackageRetention,
    PreviewRequest,
    PreviewTotals,
    RetentionPreview,
    RuleResource,
)
from schemas.retention import RetentionRule
from service.access import access
from service.api.retention_places import RULE_PLACES, RuleVisit
from service.http.bodies import read_body
from service.http.carriers import OF_PROJECT
from service.http.keys import CONTEXT, PREVIEWS
from service.http.operations import MOVED, Answer, Media, Routes, one
from service.http.parameters import read_path
from service.http.places import PlaceRoutes
from service.http.replies import no_content, reply
from service.http.serving.streams import stream_list
from service.http.visits import PROJECT_REFUSALS, project_visit
from service.refusals import ConflictError, MovedProjectWriteError, NotFoundError, SearchesBusyError
from service.retention import preview, rules, runs
from service.retention.entities import (
    fate_entity,
    retention_entity,
    rule_entity,
    totals_entity,
)
from service.retention.preview import Preview

routes = Routes("Retention", carriers=OF_PROJECT)
_places: Final = PlaceRoutes[RuleVisit](routes, *RULE_PLACES)

_GONE: Final = Answer(204, media=Media.EMPTY)
_TAKEN: Final = ConflictError("the place has a rule of that name")
_SHAPE_OF_PACKAGES: Final = tuple(PackageFate.model_fields)


@_places.get("/retention_rules", answers=one(list[RuleResource]))
async def list_retention_rules_of_place(request: web.Request, visit: RuleVisit) -> web.Response:
    """List the retention rules of a place."""
    async with visit(request) as (connection, visited):
        found = await rules.list_rules(connection, visited.place)
    return reply([rule_entity(each) for each in found])


@_places.post(
    "/retention_rules",
    body=RetentionRule,
    answers=one(RuleResource, status=201),
    refusals=(_TAKEN,),
)
async def add_retention_rule_of_place(request: web.Request, visit: RuleVisit) -> web.Response:
    """Add a retention rule to a place. Its first run only reports, unless a preview has shown what it deletes."""
    async with visit(request) as (_, visited):
        pass
    body = await read_body(request, RetentionRule)
    async with request.app[CONTEXT].database.transaction() as connection:
        added = await rules.add_rule(connection, visited.place, body)
    return reply(rule_entity(added), status=201)


@_places.get("/retention_rules/{rule_id}", answers=one(RuleResource), refusals=(NotFoundError,))
async def show_retention_rule_of_place(request: web.Request, visit: RuleVisit) -> web.Response:
    """Show a retention rule of a place."""
    async with visit(request) as (connection, visited):
        (rule_id,) = read_path(request, "rule_id")
        return reply(rule_entity(await rules.find_rule(connection, visited.place, rule_id)))


@_places.put(
    "/retention_rules/{rule_id}",
    body=RetentionRule,
    answers=one(RuleResource),
    refusals=(NotFoundError, _TAKEN),
)
async def change_retention_rule_of_place(request: web.Request, visit: RuleVisit) -> web.Response:
    """Put another retention rule of a place in the place of one.

    Keys that are left out have their defaults. A rule whose meaning changes first runs dry again.
    """
    async with visit(request) as (_, visited):
        (rule_id,) = read_path(request, "rule_id")
    body = await read_body(request, RetentionRule)
    async with request.app[CONTEXT].database.transaction() as connection:
        stored = await rules.find_rule(connection, visited.place, rule_id, lock=True)
        changed = await rules.change_rule(connection, stored, body)
    return reply(rule_entity(changed))


@_places.delete("/retention_rules/{rule_id}", answers=_GONE, refusals=(NotFoundError,))
async def remove_retention_rule_of_place(request: web.Request, visit: RuleVisit) -> web.Response:
    """Remove a retention rule of a place; its runs can still be read."""
    async with visit(request) as (_, visited):
        (rule_id,) = read_path(request, "rule_id")
    async with request.app[CONTEXT].database.transaction() as connection:
        await rules.remove_rule(connection, await rules.find_rule(connection, visited.place, rule_id, lock=True))
    return no_content()


@_places.post("/retention_rules/{rule_id}/resume", answers=one(RuleResource), refusals=(NotFoundError,))
async def resume_retention_rule_of_place(request: web.Request, visit: RuleVisit) -> web.Response:
    """Let a retention rule of a place run again that was paused, by hand or since a run of it was undone."""
    async with visit(request) as (_, visited):
        (rule_id,) = read_path(request, "rule_id")
    async with request.app[CONTEXT].database.transaction() as connection:
        stored = await rules.find_rule(connection, visited.place, rule_id, lock=True)
        return reply(rule_entity(await rules.resume_rule(connection, stored)))


@_places.post("/retention_rules/{rule_id}/pause", answers=one(RuleResource), refusals=(NotFoundError,))
async def pause_retention_rule_of_place(request: web.Request, visit: RuleVisit) -> web.Response:
    """Let a retention rule of a place begin no run, and ask for no deletion, until it is resumed."""
    async with visit(request) as (_, visited):
        (rule_id,) = read_path(request, "rule_id")
    reason = f"{visited.caller.username} paused it"
    async with request.app[CONTEXT].database.transaction() as connection:
        stored = await rules.find_rule(connection, visited.place, rule_id, lock=True)
        return reply(rule_entity(await rules.pause_rule(connection, stored, reason=reason)))


@_places.post(
    "/retention/preview",
    body=PreviewRequest,
    answers=one(RetentionPreview),
    refusals=(NotFoundError, SearchesBusyError),
)
async def preview_retention_of_place(request: web.Request, visit: RuleVisit) -> web.StreamResponse:
    """Show what the retention rules that count in a place would do now, or one of them, or one that is not saved.

    `Accept` chooses JSON, `application/x-ndjson` or `text/csv`. `Retention-Packages`, `Retention-Files` and
    `Retention-Bytes` are the totals that would be deleted. A preview of a saved rule counts as its dry run.
    """
    async with visit(request) as (_, visited):
        pass
    wanted = await read_body(request, PreviewRequest)
    async with request.app[PREVIEWS].preview(visited.place, wanted) as found:
        rows = (fate_entity(each, found.rules) async for each in found.verdicts)
        return await stream_list(request, _head(found), rows, _SHAPE_OF_PACKAGES)


@routes.get(
    "/api/v4/projects/{id}/packages/{package_id}/retention",
    answers=(one(PackageRetention), MOVED),
    refusals=(*PROJECT_REFUSALS, NotFoundError),
)
async def show_retention_of_package(request: web.Request) -> web.Response:
    """Show which retention rule lets a package stay, or by which one it would go."""
    async with project_visit(request) as (connection, found):
        (package_id,) = read_path(request, "package_id")
        if not await runs.is_listed(connection, found.project.id, package_id):
            raise NotFoundError
        verdict, plan, stored = await preview.fate_of(connection, found.project.id, package_id)
    return reply(retention_entity(verdict, plan, stored))


@routes.delete(
    "/api/v4/projects/{id}/packages/{package_id}/retention",
    answers=_GONE,
    refusals=(*PROJECT_REFUSALS, MovedProjectWriteError, NotFoundError),
)
async def release_package_to_retention(request: web.Request) -> web.Response:
    """Let retention rules take a package again that was restored from them."""
    async with project_visit(request) as (connection, found):
        await access.require_level(connection, found.caller, found.project, access.LEVEL_TO_DELETE)
        (package_id,) = read_path(request, "package_id")
        if not await runs.is_listed(connection, found.project.id, package_id):
            raise NotFoundError
        await runs.release_package(connection, package_id)
    return no_content()


def _head(found: Preview) -> PreviewTotals:
    packages, files, size = found.count("deleted")
    return PreviewTotals(
        packages=packages,
        files=files,
        bytes=size,
        kept=found.count("kept")[0],
        refused=found.count("refused")[0],
        latest_by_date=found.latest_by_date,
        totals=[totals_entity(each, found.rules) for each in found.totals],
    )
