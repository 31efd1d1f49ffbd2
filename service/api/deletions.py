"""Deletions, which GitLab does not show: list, show, undo, try again."""

from typing import Final
from uuid import UUID

from aiohttp import web

from schemas.deletion_resources import Deletion
from schemas.names import AccessLevel
from schemas.queries import DeletionListing
from service import access, deletions
from service.api.callers import GROUP_REFUSALS, PROJECT_REFUSALS, Visit, group_visit, project_visit
from service.api.entities import deletion_entity
from service.api.keys import CONTEXT, LOG_FIELDS
from service.api.links import external_url
from service.api.operations import MOVED, OF_PROJECT, PERSONAL, Answer, Routes, one
from service.api.paging import by_cursor, reply_part
from service.api.parameters import UUID_RULE, read_deletion_id, read_query
from service.api.replies import reply
from service.deletions import Listed
from service.errors import ConflictError, MovedProjectWriteError, NotFoundError
from service.infra.database import Record

routes = Routes("Deletions", carriers=OF_PROJECT)

_PROJECT: Final = "/api/v4/projects/{id}/deletions"
_DELETION: Final = _PROJECT + "/{deletion_id}"
_RULES: Final = {"deletion_id": UUID_RULE}
_LIST: Final = Answer(200, list[Deletion], headers=("Link",))
_CHANGING: Final = (*PROJECT_REFUSALS, NotFoundError, MovedProjectWriteError)


@routes.get(_PROJECT, query=DeletionListing, answers=(_LIST, MOVED), refusals=PROJECT_REFUSALS)
async def list_project_deletions(request: web.Request) -> web.Response:
    """List a project's deletions, newest first."""
    async with project_visit(request) as (connection, found):
        query = read_query(request, DeletionListing)
        listed = await deletions.list_in_project(connection, found.project, query)
    return _reply_listed(request, listed, query)


@routes.get(
    "/api/v4/groups/{id}/deletions", query=DeletionListing, answers=_LIST, refusals=GROUP_REFUSALS, carriers=PERSONAL
)
async def list_group_deletions(request: web.Request) -> web.Response:
    """List the deletions in a group's projects and those of its subgroups, newest first."""
    async with group_visit(request) as (connection, caller, group):
        query = read_query(request, DeletionListing)
        listed = await deletions.list_in_group(connection, caller, group, query)
    return _reply_listed(request, listed, query)


@routes.get(_DELETION, path_rules=_RULES, answers=(one(Deletion), MOVED), refusals=(*PROJECT_REFUSALS, NotFoundError))
async def show_deletion(request: web.Request) -> web.Response:
    """Show how far a deletion is."""
    async with project_visit(request) as (connection, found):
        deletion = await deletions.show(connection, found.project.id, read_deletion_id(request))
    return _reply(request, deletion)


@routes.post(
    _DELETION + "/restore",
    path_rules=_RULES,
    answers=one(Deletion),
    refusals=(*_CHANGING, ConflictError("the deletion is succeeded and cannot be restored any more")),
)
async def restore_deletion(request: web.Request) -> web.Response:
    """Undo a deletion of which no byte is gone yet."""
    found, deletion_id = await _visit_to_change(request)
    await deletions.restore(request.app[CONTEXT].database, deletion_id, project_id=found.project.id)
    return await _reply_changed(request, found, deletion_id)


@routes.post(
    _DELETION + "/retry",
    path_rules=_RULES,
    answers=one(Deletion),
    refusals=(*_CHANGING, ConflictError("the deletion is queued, only a failed one can be retried")),
)
async def retry_deletion(request: web.Request) -> web.Response:
    """Begin a failed deletion anew; what protects the package is held against the caller."""
    found, deletion_id = await _visit_to_change(request)
    context = request.app[CONTEXT]
    await deletions.retry(
        context.database,
        deletion_id,
        level=found.level,
        resend=context.settings.resend,
        project_id=found.project.id,
    )
    return await _reply_changed(request, found, deletion_id)


async def _visit_to_change(request: web.Request) -> tuple[Visit, UUID]:
    async with project_visit(request) as (connection, found):
        deletion_id = read_deletion_id(request)
        await access.require_level(connection, found.caller, found.project, AccessLevel.MAINTAINER)
    request[LOG_FIELDS]["deletion_id"] = str(deletion_id)
    return found, deletion_id


async def _reply_changed(request: web.Request, found: Visit, deletion_id: UUID) -> web.Response:
    async with request.app[CONTEXT].database.connection() as connection:
        return _reply(request, await deletions.show(connection, found.project.id, deletion_id))


def _reply(request: web.Request, deletion: Record) -> web.Response:
    return reply(deletion_entity(deletion, base=external_url(request)))


def _reply_listed(request: web.Request, listed: Listed, query: DeletionListing) -> web.Response:
    base = external_url(request)
    entities = [deletion_entity(row, base=base) for row in listed.rows]
    return reply_part(request, entities, query, by_cursor({"next": listed.next_cursor}))
