"""The stream behind the page of a deletion: the part that changes, each time that it has changed."""

import asyncio
from typing import Final

from aiohttp import hdrs, web
from aiohttp_sse import EventSourceResponse

from service.deletions.viewing import views
from service.deletions.viewing.views import DeletionDetails
from service.http.addresses import path_prefix
from service.infra.postgres.database import DatabaseUnavailableError
from service.refusals import RefusedError
from service.web.deletions import Rights, deletion_view, rights_of
from service.web.frame.rendering import rendered
from service.web.frame.routing import PageRoutes
from service.web.live import LIVE, Following, LiveMessage, LiveReader, LiveState
from service.web.parameters import read_uuid
from service.web.routes.deletions import DELETION
from service.web.sessions.proxies import session_secret
from service.web.visits import PlaceMovedError, project_visit

routes = PageRoutes()

_LAST: Final = "over"
"""The event behind which nothing follows."""
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
    if request.method == hdrs.METH_HEAD:
        # The library refuses it, though HEAD is served wherever GET is.
        return web.Response(content_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
    async with request.app[LIVE].follow(deletion_id) as following:
        response = EventSourceResponse(send_timeout=_SEND_TIMEOUT_S)
        await response.prepare(request)
        async with response:
            await _send_all(request, response, following, found.project.path)
    return response


async def _send_all(
    request: web.Request, response: EventSourceResponse, following: Following, project_path: str
) -> None:
    session, root = (session_secret(request), request.match_info["path"]), path_prefix(request)
    while (rights := await _rights(request, session)) is not None:
        try:
            async with asyncio.timeout(_RECHECK_S):
                snapshot = await following.next()
        except TimeoutError:
            continue
        if snapshot is None:
            return
        message = _message(request, snapshot, project_path, LiveReader(rights, root))
        await _send(request, response, message)
        if message.is_last:
            return
    await response.send("", event=_LAST)


def _message(request: web.Request, snapshot: LiveState, project_path: str, reader: LiveReader) -> LiveMessage:
    def write(details: DeletionDetails) -> LiveMessage:
        view = deletion_view(details, project_path=project_path, rights=reader.rights)
        lines = EventSourceResponse.LINE_SEP_EXPR.split(rendered(request, "deletion_state.html", deletion=view))
        event = _LAST if view.is_over else "part"
        text = "\n".join([f"event: {event}", *(f"data: {line}" for line in lines), "", ""])
        return LiveMessage(text.encode(), is_last=view.is_over)

    return snapshot.message(reader, write)


async def _send(request: web.Request, response: EventSourceResponse, message: LiveMessage) -> None:
    # The method of the library splits the text again for each reader.
    try:
        async with asyncio.timeout(_SEND_TIMEOUT_S):
            await response.write(message.text)
    except TimeoutError:
        # The buffer of a reader who takes nothing never empties, so a graceful end would wait for it.
        if request.transport is not None:
            request.transport.abort()
        raise


async def _rights(request: web.Request, session: tuple[str, str]) -> Rights | None:
    """Return the reader's rights now, None if there are none any more; pages of the same session share the answer."""
    live = request.app[LIVE]
    is_known, rights = live.granted(session)
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
    live.grant(session, rights)
    return rights
