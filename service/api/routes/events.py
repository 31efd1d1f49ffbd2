"""Feeds of events, which GitLab does not have: of a project, of a group, and of all projects that the caller sees."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypeAlias

from aiohttp import web

from schemas.http.feed_parameters import FeedReading
from schemas.messages.cloud_events import SEQUENCE_DIGITS, CloudEvent
from schemas.messages.event import TYPE_PREFIX
from service.access.callers import Caller
from service.feed import log as feed
from service.feed.audience import Audience
from service.feed.log import FeedEvent, FeedPart, WantedEvents
from service.http.carriers import OF_PROJECT, PERSONAL
from service.http.event_streams import TAIL, EventStream, Shown, last_event_id, one_more_waits
from service.http.keys import CREDENTIAL_OWNER
from service.http.operations import Answer, Media, Routes
from service.http.parameters import read_query
from service.http.places import PlaceRoutes, RoutePlace, of_group, of_project
from service.http.visits import caller_visit, group_visit, project_visit
from service.infra.postgres.database import Connection
from service.refusals import FeedMovedOnError, WaitingNeedsTokenError

routes = Routes("Events", carriers=PERSONAL)

_EVENTS: Final = Answer(200, list[CloudEvent], media=Media.CLOUD_EVENTS, headers=("X-Next-After",))
_GONE: Final = FeedMovedOnError(4_711, 9_000)

_Visit: TypeAlias = Callable[[web.Request], AbstractAsyncContextManager[tuple[Connection, Caller, Audience]]]


@asynccontextmanager
async def _project_audience(request: web.Request) -> AsyncGenerator[tuple[Connection, Caller, Audience]]:
    async with project_visit(request) as (connection, found):
        yield connection, found.caller, Audience(found.caller, levels={found.project.id: found.level})


@asynccontextmanager
async def _group_audience(request: web.Request) -> AsyncGenerator[tuple[Connection, Caller, Audience]]:
    async with group_visit(request) as (connection, caller, group):
        yield connection, caller, Audience(caller, group_id=group.id)


@asynccontextmanager
async def _instance_audience(request: web.Request) -> AsyncGenerator[tuple[Connection, Caller, Audience]]:
    async with caller_visit(request) as (connection, caller):
        yield connection, caller, Audience(caller, sees_all=caller.is_admin)


_places: Final = PlaceRoutes[_Visit](
    routes,
    of_project("/api/v4/projects/{id}/package_events", _project_audience, carriers=OF_PROJECT),
    of_group("/api/v4/groups/{id}/package_events", _group_audience),
    RoutePlace("", "all projects that the caller sees", "/api/v4/package_events", _instance_audience),
)


@_places.get("", query=FeedReading, answers=_EVENTS, refusals=(_GONE,))
async def list_place_events(request: web.Request, visit: _Visit) -> web.StreamResponse:
    """List the events of a place, the oldest first, wait for them, or stream them.

    A group has those of the projects that are below it now. Events about a group are for those who may publish in it,
    and events about the instance for admins. `Accept` chooses the form: an array of CloudEvents,
    `application/x-ndjson`, or `text/event-stream`. `X-Next-After` is the number to go on with, also where no event was
    shown.
    """
    accept = request.headers.get("Accept", "")
    streams = Media.EVENT_STREAM in accept and request.method == "GET"
    async with visit(request) as (connection, caller, audience):
        query = read_query(request, FeedReading)
        wanted = WantedEvents(query.types, query.package_type)
        if caller.credential is None and (streams or query.wait):
            raise WaitingNeedsTokenError
        after = await _begin(request, connection, query, streams=streams)
        part = await _read(connection, audience, after, wanted, limit=0 if streams else query.limit)
    if streams:
        with one_more_waits(request, request[CREDENTIAL_OWNER]):
            return await _stream(request, visit, wanted, audience, after)
    if not part.events and query.wait and request.method == "GET":
        with one_more_waits(request, request[CREDENTIAL_OWNER]):
            audience, part = await _wait(request, visit, wanted, query, part)
    return _written(part, audience, as_lines=Media.NDJSON in accept)


async def _begin(request: web.Request, connection: Connection, query: FeedReading, *, streams: bool) -> int:
    """Return the number to begin behind."""
    if streams and (last := last_event_id(request)) is not None:
        return last
    if query.after is not None:
        return query.after
    bounds = await feed.bounds(connection)
    return bounds.newest if streams else bounds.oldest - 1


async def _read(
    connection: Connection, audience: Audience, after: int, wanted: WantedEvents, *, limit: int
) -> FeedPart:
    until = await feed.reach(connection, after)
    if not limit:
        return FeedPart([], after)
    return await audience.read(connection, after, until, wanted, limit=limit)


async def _wait(
    request: web.Request, visit: _Visit, wanted: WantedEvents, query: FeedReading, part: FeedPart
) -> tuple[Audience, FeedPart]:
    """Read again each time that something came, with the rights of then, until there is something to show."""
    tail = request.app[TAIL]
    clock = asyncio.get_running_loop().time
    deadline = clock() + query.wait
    async with tail.followed():
        while True:
            await tail.wait(part.read_up_to, within=max(0.0, deadline - clock()))
            is_last = tail.is_over or clock() >= deadline
            async with visit(request) as (connection, _, audience):
                part = await _read(connection, audience, part.read_up_to, wanted, limit=query.limit)
            if part.events or is_last:
                return audience, part


async def _stream(
    request: web.Request, visit: _Visit, wanted: WantedEvents, audience: Audience, after: int
) -> web.StreamResponse:
    async def visit_again() -> Audience:
        async with visit(request) as (_, _, found):
            return found

    return await EventStream(request, wanted, visit_again, _messages).send(audience, after)


async def _messages(events: Shown) -> str:
    return "".join(_message(event, body) for event, body in events)


def _message(event: FeedEvent, body: str) -> str:
    # The JSON has no line breaks.
    name = f"{TYPE_PREFIX}.{event.type}.v1"
    return f"id: {event.sequence:0{SEQUENCE_DIGITS}}\nevent: {name}\ndata: {body}\n\n"


def _written(part: FeedPart, audience: Audience, *, as_lines: bool) -> web.Response:
    bodies = [audience.shown(event) for event in part.events]
    body = "".join(f"{one}\n" for one in bodies) if as_lines else f"[{','.join(bodies)}]"
    media = Media.NDJSON if as_lines else Media.CLOUD_EVENTS
    headers = {"Content-Type": media.value, "X-Next-After": str(part.read_up_to)}
    return web.Response(body=body.encode(), headers=headers)
