"""Many packages or deletions in one call: delete, undo, watch."""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from aiohttp import web
from pydantic_core import to_json

from schemas.http.bulk import BulkDelete, BulkRestore, GroupBulkDelete, GroupPackageFilter
from schemas.http.deletion_resources import Batch, BulkDeletion, BulkRestoration
from schemas.names import AccessLevel
from service.access import access
from service.access.callers import Caller
from service.deletions import bulk
from service.deletions.bulk import BulkPlan, Wanted
from service.deletions.undoing.restore import restore_batch
from service.deletions.viewing import views
from service.deletions.viewing.entities import batch_entity, batch_url, bulk_entity, planned_lines, restoration_entity
from service.http.addresses import external_url
from service.http.bodies import answer_once, read_body
from service.http.carriers import OF_PROJECT, PERSONAL
from service.http.keys import CONTEXT, LOG_FIELDS
from service.http.operations import MOVED, Answer, Media, Routes, one
from service.http.parameters import UUID_RULE, read_path
from service.http.replies import JsonText, dumped, reply
from service.http.visits import (
    GROUP_REFUSALS,
    PROJECT_REFUSALS,
    group_visit,
    project_visit,
)
from service.ids import new_id
from service.infra.postgres.database import Connection, Sessions
from service.origins import actor_of, origin_of_batch
from service.refusals import ConflictError, KeyReusedError, MovedProjectWriteError, NotFoundError, OutboxBehindError

routes = Routes("Deletions", carriers=OF_PROJECT)

_RULES: Final = {"batch_id": UUID_RULE}
_REMAINING: Final = "Deletions-Remaining"
_BATCH_ID: Final = "Deletion-Batch-Id"
_MANY: Final = (
    Answer(200, BulkDeletion, headers=(_REMAINING,)),
    Answer(202, BulkDeletion, headers=(_REMAINING, _BATCH_ID, "Link")),
)
_CHANGING: Final = (
    ConflictError("8 packages would be deleted, 7 were expected"),
    KeyReusedError,
)
_DELETING: Final = (*_CHANGING, OutboxBehindError)
_IN_PROJECT: Final = (*PROJECT_REFUSALS, MovedProjectWriteError)
_RESTORING: Final = (NotFoundError, *_CHANGING)


@routes.post(
    "/api/v4/projects/{id}/packages/bulk_delete",
    body=BulkDelete,
    answers=_MANY,
    refusals=(*_IN_PROJECT, *_DELETING),
    takes_key=True,
)
async def bulk_delete_in_project(request: web.Request) -> web.Response:
    """Delete many packages of a project, or show what would be deleted."""
    async with project_visit(request) as (connection, found):
        await access.require_level(connection, found.caller, found.project, access.LEVEL_TO_DELETE)
    body = await read_body(request, BulkDelete)
    return await _delete(request, found.caller, body, {found.project.id: found.level})


@routes.post(
    "/api/v4/groups/{id}/packages/bulk_delete",
    body=GroupBulkDelete,
    answers=_MANY,
    refusals=(*GROUP_REFUSALS, *_DELETING),
    carriers=PERSONAL,
    takes_key=True,
)
async def bulk_delete_in_group(request: web.Request) -> web.Response:
    """Delete many packages in a group's projects and those of its subgroups, or show what would be deleted."""
    async with group_visit(request) as (_, caller, group):
        access.require_credential(caller)
    body = await read_body(request, GroupBulkDelete)
    exclude = isinstance(body.filter, GroupPackageFilter) and body.filter.exclude_subgroups
    async with request.app[CONTEXT].database.connection() as connection:
        levels = await access.project_levels(connection, caller, group, exclude_subgroups=exclude)
    if body.filter is not None:
        levels = {project_id: level for project_id, level in levels.items() if level >= access.LEVEL_TO_DELETE}
    return await _delete(request, caller, body, levels)


@routes.post(
    "/api/v4/projects/{id}/deletions/bulk_restore",
    body=BulkRestore,
    answers=one(BulkRestoration),
    refusals=(*_IN_PROJECT, *_RESTORING),
    takes_key=True,
)
async def bulk_restore_in_project(request: web.Request) -> web.Response:
    """Undo each deletion of a batch that can still be undone."""
    async with project_visit(request) as (connection, found):
        await access.require_level(connection, found.caller, found.project, access.LEVEL_TO_UNDO)
    body = await read_body(request, BulkRestore)
    return await _restore(request, found.caller, body, [found.project.id])


@routes.post(
    "/api/v4/groups/{id}/deletions/bulk_restore",
    body=BulkRestore,
    answers=one(BulkRestoration),
    refusals=(*GROUP_REFUSALS, *_RESTORING),
    carriers=PERSONAL,
    takes_key=True,
)
async def bulk_restore_in_group(request: web.Request) -> web.Response:
    """Undo each deletion of a batch below a group that can still be undone."""
    async with group_visit(request) as (connection, caller, group):
        access.require_credential(caller)
        levels = await access.project_levels(connection, caller, group)
    body = await read_body(request, BulkRestore)
    ids = [project_id for project_id, level in levels.items() if level >= access.LEVEL_TO_UNDO]
    return await _restore(request, caller, body, ids)


@routes.get(
    "/api/v4/projects/{id}/deletion_batches/{batch_id}",
    path_rules=_RULES,
    answers=(one(Batch), MOVED),
    refusals=(*PROJECT_REFUSALS, NotFoundError),
)
async def show_batch_in_project(request: web.Request) -> web.Response:
    """Show how far the deletions are that one call asked for in a project."""
    async with project_visit(request) as (connection, found):
        return await _show(request, connection, [found.project.id], place=f"/{found.project.path}")


@routes.get(
    "/api/v4/groups/{id}/deletion_batches/{batch_id}",
    path_rules=_RULES,
    answers=one(Batch),
    refusals=(*GROUP_REFUSALS, NotFoundError),
    carriers=PERSONAL,
)
async def show_batch_in_group(request: web.Request) -> web.Response:
    """Show how far the deletions are that one call asked for below a group."""
    async with group_visit(request) as (connection, caller, group):
        project_ids = await access.project_levels(connection, caller, group)
        return await _show(request, connection, project_ids, place=f"/groups/{group.path}")


async def _delete(
    request: web.Request, caller: Caller, body: BulkDelete, levels: Mapping[int, AccessLevel]
) -> web.Response:
    what = body.filter if body.filter is not None else tuple(dict.fromkeys(body.ids or ()))
    wanted = Wanted(what, levels, body.expected_count)

    async def act(database: Sessions) -> web.Response:
        context = request.app[CONTEXT]
        deletions = context.deletions.within(database)
        if body.dry_run:
            return await _reply_to_bulk(request, await bulk.plan_deletion(deletions, wanted), batch_id=None)
        batch_id = new_id()
        request[LOG_FIELDS]["batch_id"] = str(batch_id)
        origin = origin_of_batch(request, caller, reason=body.reason, batch_id=batch_id)
        await bulk.require_moving_outbox(deletions, limit=context.settings.outbox_limit)
        plan = await bulk.delete_packages(deletions, origin, wanted)
        return await _reply_to_bulk(request, plan, batch_id=batch_id)

    return await answer_once(request, caller, body, act)


async def _restore(request: web.Request, caller: Caller, body: BulkRestore, project_ids: list[int]) -> web.Response:
    async def act(database: Sessions) -> web.Response:
        deletions = request.app[CONTEXT].deletions.within(database)
        actor = actor_of(request, caller)
        restoration = await restore_batch(deletions, body.batch_id, actor=actor, project_ids=project_ids)
        entity = restoration_entity(restoration, batch_id=body.batch_id)
        return reply(entity)

    return await answer_once(request, caller, body, act)


async def _show(
    request: web.Request, connection: Connection, project_ids: Collection[int], *, place: str
) -> web.Response:
    read_path(request)
    batch_id = UUID(request.match_info["batch_id"])
    parts = await views.progress_of(connection, batch_id, project_ids=project_ids)
    return reply(batch_entity(parts, batch_id=batch_id, base=_place(request), place=place))


async def _reply_to_bulk(request: web.Request, plan: BulkPlan, *, batch_id: UUID | None) -> web.Response:
    status = 200 if batch_id is None else 202
    base = _place(request)
    # Lines have room for packages only.
    headers = {_REMAINING: str(plan.remaining)}
    if batch_id is not None and plan.accepted:
        headers |= {_BATCH_ID: str(batch_id), "Link": f'<{batch_url(base, batch_id)}>; rel="status"'}
    # A thread writes the answer, so that 10,000 packages do not hold up the event loop.
    if Media.NDJSON in request.headers.get("Accept", "").lower():
        lines = await asyncio.to_thread(_written_lines, plan)
        return web.Response(body=lines, status=status, headers={**headers, "Content-Type": Media.NDJSON})
    entity = await asyncio.to_thread(_written, plan, batch_id, base)
    return reply(entity, status=status, headers=headers)


def _written(plan: BulkPlan, batch_id: UUID | None, base: str) -> JsonText:
    return JsonText(bulk_entity(plan, batch_id=batch_id, base=base).model_dump_json(by_alias=True, exclude_unset=True))


def _written_lines(plan: BulkPlan) -> bytes:
    return b"".join(to_json(dumped(line)) + b"\n" for line in planned_lines(plan))


def _place(request: web.Request) -> str:
    """Return the address of the project or group that the request's path names."""
    kind, _, rest = request.rel_url.raw_path.removeprefix("/api/v4/").partition("/")
    return f"{external_url(request)}/api/v4/{kind}/{rest.partition('/')[0]}"
