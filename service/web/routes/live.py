"""The stream behind the page of a deletion: the part that changes, each time that it has changed."""

import asyncio
from typing import Final

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from service.deletions.viewing import views
from service.deletions.viewing.views import DeletionDetails
from service.infra.postgres.database import DatabaseUnavailableError
from service.refusals import RefusedError
from service.web.deletions import DeletionView, Rights, deletion_view, rights_of
from service.web.frame.rendering import rendered
from service.web.frame.routing import PageRoutes
from service.web.live import LIVE, Following, LiveState
from service.web.parameters import read_uuid
from service.web.routes.deletions import DELETION
from service.web.sessions.cookies import SESSION, read_cookie
from service.web.visits import PlaceMovedError, project_visit

routes = PageRoutes()

_RECHECK_S: Final = 10.0
"""How long a session that has ended can go on reading a stream."""
_SEND_TIMEOUT_S: Final = 20.0
"""How long a reader may take to read what was sent."""


@routes.resource(DELETION + "/live")
async def follow_deletion(request: web.Request) -> web.StreamResponse:
    """Send the state of a deletion whenever it changes, as server-sent events, until it is over."""
    deletion_id = read_uuid(request, "deletion_id")
    async with project_visit(request) as (connection, found):
        await views.show(connection, [found.project.id], deletion_id)
    async with request.app[LIVE].follow(deletion_id) as following:
        response = EventSourceResponse(send_timeout=_SEND_TIMEOUT_S)
        await response.prepare(request)
        async with response:
            await _send_all(request, response, following, found.project.path)
    return response


async def _send_all(
    request: web.Request, response: EventSourceResponse, following: Following, project_path: str
) -> None:
    while (rights := await _rights(request)) is not None:
        try:
            async with asyncio.timeout(_RECHECK_S):
                snapshot = await following.next()
        except TimeoutError:
            continue
        if snapshot is None:
            return
        view, part = _part(request, snapshot, project_path, rights)
        await response.send(part, event="over" if view.is_over else "part")
        if view.is_over:
            return
    await response.send("", event="over")


def _part(request: web.Request, snapshot: LiveState, project_path: str, rights: Rights) -> tuple[DeletionView, str]:
    def render(details: DeletionDetails) -> str:
        view = deletion_view(details, project_path=project_path, rights=rights)
        return rendered(request, "deletion_state.html", deletion=view)

    return deletion_view(snapshot.details, project_path=project_path, rights=rights), snapshot.part(rights, render)


async def _rights(request: web.Request) -> Rights | None:
    """Return the reader's rights now, None if there are none any more; pages of the same reader share the answer."""
    live, reader = request.app[LIVE], (read_cookie(request, SESSION), request.match_info["path"])
    is_known, rights = live.granted(reader)
    if is_known:
        return rights
    try:
        async with project_visit(request) as (_, found):
            rights = rights_of(found.caller, found.level)
    except (RefusedError, PlaceMovedError):
        rights = None
    except DatabaseUnavailableError:
        # Nothing is read while the database is away; the rights are asked for again when it is back.
        return rights if rights is not None else Rights.READ
    live.grant(reader, rights)
    return rights
