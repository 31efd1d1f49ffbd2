"""Deletions, which GitLab does not show: list, show, undo, try again."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from schemas.base import Contract
from schemas.http.bulk import Nothing, Restore
from schemas.http.deletion_parameters import DeletionListing
from schemas.http.deletion_resources import DeletionResource
from schemas.names import AccessLevel
from service.access import access
from service.deletions.deletion import Deletions
from service.deletions.undoing.acts import DeletionChange
from service.deletions.undoing.requeue import destroy_now, retry
from service.deletions.undoing.restore import restore
from service.deletions.viewing import views
from service.deletions.viewing.entities import deletion_entity
from service.deletions.viewing.views import DeletionDetails, DeletionPage
from service.http.addresses import external_url
from service.http.bodies import answer_once, read_body
from service.http.carriers import OF_PROJECT, PERSONAL
from service.http.keys import CONTEXT, LOG_FIELDS
from service.http.operations import MOVED, Answer, Routes, one
from service.http.paging import by_cursor, reply_part
from service.http.parameters import UUID_RULE, read_deletion_id, read_query
from service.http.replies import reply
from service.http.visits import GROUP_REFUSALS, PROJECT_REFUSALS, group_visit, project_visit
from service.infra.postgres.database import Sessions
from service.origins import actor_of
from service.refusals import ConflictError, DeletionHeldError, KeyReusedError, MovedProjectWriteError, NotFoundError

routes = Routes("Deletions", carriers=OF_PROJECT)

_PROJECT: Final = "/api/v4/projects/{id}/deletions"
_ID: Final = "/{deletion_id:(?!bulk_restore$)[^/]+}"
_DELETION: Final = _PROJECT + "/{deletion_id}"
_RULES: Final = {"deletion_id": UUID_RULE}
_LIST: Final = Answer(200, list[DeletionResource], headers=("Link",))
_HELD: Final = DeletionHeldError("an audit is under way")
_CHANGING: Final = (*PROJECT_REFUSALS, NotFoundError, MovedProjectWriteError)


@routes.get(_PROJECT, query=DeletionListing, answers=(_LIST, MOVED), refusals=PROJECT_REFUSALS)
async def list_project_deletions(request: web.Request) -> web.Response:
    """List a project's deletions, newest first."""
    async with project_visit(request) as (connection, found):
        query = read_query(request, DeletionListing)
        listed = await views.list_newest(connection, [found.project.id], query)
    return _reply_listed(request, listed, query, {found.project.id: found.level})


@routes.get(
    "/api/v4/groups/{id}/deletions", query=DeletionListing, answers=_LIST, refusals=GROUP_REFUSALS, carriers=PERSONAL
)
async def list_group_deletions(request: web.Request) -> web.Response:
    """List the deletions in a group's projects and those of its subgroups, newest first."""
    async with group_visit(request) as (connection, caller, group):
        query = read_query(request, DeletionListing)
        levels = await access.project_levels(connection, caller, group)
        listed = await views.list_newest(connection, levels, query)
    return _reply_listed(request, listed, query, levels)


@routes.get(
    _PROJECT + _ID,
    path_rules=_RULES,
    answers=(one(DeletionResource), MOVED),
    refusals=(*PROJECT_REFUSALS, NotFoundError),
)
async def show_deletion(request: web.Request) -> web.Response:
    """Show how far a deletion is."""
    async with project_visit(request) as (connection, found):
        view = await views.show(connection, [found.project.id], read_deletion_id(request))
    return _reply(request, view, found.level)


@routes.post(
    _DELETION + "/restore",
    path_rules=_RULES,
    body=Restore,
    takes_key=True,
    answers=one(DeletionResource),
    refusals=(*_CHANGING, ConflictError("the deletion is succeeded and cannot be restored any more"), KeyReusedError),
)
async def restore_deletion(request: web.Request) -> web.Response:
    """Undo a deletion of which no byte is gone yet."""
    return await _change(request, restore, body=Restore, level=access.LEVEL_TO_UNDO)


@routes.post(
    _DELETION + "/retry",
    path_rules=_RULES,
    body=Nothing,
    takes_key=True,
    answers=one(DeletionResource),
    refusals=(
        *_CHANGING,
        ConflictError("the deletion is queued, only a failed one can be retried"),
        _HELD,
        KeyReusedError,
    ),
)
async def retry_deletion(request: web.Request) -> web.Response:
    """Begin a failed deletion anew; what protects the package is held against the caller."""
    return await _change(request, retry, body=Nothing, level=access.LEVEL_TO_UNDO)


@routes.post(
    _DELETION + "/destroy_now",
    path_rules=_RULES,
    body=Nothing,
    takes_key=True,
    answers=one(DeletionResource),
    refusals=(
        *_CHANGING,
        ConflictError("the deletion is succeeded and waits for no grace"),
        _HELD,
        KeyReusedError,
    ),
)
async def destroy_deletion_now(request: web.Request) -> web.Response:
    """End the grace of a deletion early; takes an owner."""
    return await _change(request, destroy_now, body=Nothing, level=access.LEVEL_TO_END_GRACE)


@routes.get(
    "/api/v4/groups/{id}/deletions" + _ID,
    path_rules=_RULES,
    answers=one(DeletionResource),
    refusals=(*GROUP_REFUSALS, NotFoundError),
    carriers=PERSONAL,
)
async def show_deletion_in_group(request: web.Request) -> web.Response:
    """Show how far a deletion is in a project below the group."""
    async with group_visit(request) as (connection, caller, group):
        levels = await access.project_levels(connection, caller, group)
        view = await views.show(connection, levels, read_deletion_id(request))
    return _reply(request, view, levels[view.deletion.project_id])


async def _change(
    request: web.Request,
    use_case: Callable[[Deletions, DeletionChange], Awaitable[object]],
    *,
    body: type[Contract],
    level: AccessLevel,
) -> web.Response:
    """Change a deletion as a caller with that *level* may, and answer with what it is then."""
    async with project_visit(request) as (connection, found):
        deletion_id = read_deletion_id(request)
        await access.require_level(connection, found.caller, found.project, level)
    request[LOG_FIELDS]["deletion_id"] = str(deletion_id)
    wanted = await read_body(request, body)
    rename_to = wanted.rename_to if isinstance(wanted, Restore) else None
    actor = actor_of(request, found.caller)
    change = DeletionChange(deletion_id, actor, found.project.id, found.level, rename_to)

    async def act(database: Sessions) -> web.Response:
        await use_case(request.app[CONTEXT].deletions.within(database), change)
        async with database.connection() as connection:
            view = await views.show(connection, [found.project.id], deletion_id)
        return _reply(request, view, found.level)

    return await answer_once(request, found.caller, wanted, act)


def _entity(request: web.Request, view: DeletionDetails, level: AccessLevel) -> DeletionResource:
    return deletion_entity(view, base=external_url(request), level=level)


def _reply(request: web.Request, view: DeletionDetails, level: AccessLevel) -> web.Response:
    return reply(_entity(request, view, level))


def _reply_listed(
    request: web.Request, listed: DeletionPage, query: DeletionListing, levels: Mapping[int, AccessLevel]
) -> web.Response:
    entities = [_entity(request, view, levels[view.deletion.project_id]) for view in listed.deletions]
    return reply_part(request, entities, query, by_cursor({"next": listed.next_cursor}))
