"""The pages of events: the newest ones of a project, a group or everywhere, and the stream of those that come."""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from schemas.http.feed_parameters import EventListing, Since
from schemas.messages.cloud_events import SEQUENCE_DIGITS
from schemas.messages.events import EVENTS, StorageChecked
from schemas.names import PackageType
from service.access import access
from service.access.callers import Caller
from service.access.rows import Group, project_paths
from service.feed import log as feed
from service.feed.audience import Audience
from service.feed.log import WantedEvents
from service.http.event_streams import EventStream, Shown, last_event_id, one_more_waits
from service.http.keys import CONTEXT
from service.infra.postgres.database import Connection
from service.refusals import NotFoundError, RefusedError, UnauthorizedError
from service.web.events.views import EventView, event_view
from service.web.frame.rendering import render, rendered
from service.web.frame.routing import GROUP, PROJECT, PageRoutes
from service.web.parameters import read_listing, with_parameters
from service.web.views import PlaceView, group_place, project_place
from service.web.visits import PlaceMovedError, group_visit, project_visit, visit

routes = PageRoutes()

_EVENTS: Final = "/-/events"
_STREAM: Final = _EVENTS + "/live"
_SHOWN: Final = 50
_LINE_BREAK: Final = re.compile("\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class EventReader:
    """A reader of events, and the place whose events are wanted."""

    caller: Caller
    audience: Audience
    place: PlaceView | None
    """None for all projects."""

    @property
    def address(self) -> str:
        """The page of the events."""
        return ("" if self.place is None else self.place.address) + _EVENTS

    @property
    def can_follow(self) -> bool:
        """Whether events may be streamed to the reader, as over the API: to nobody who is not signed in."""
        return self.caller.credential is not None

    @property
    def names_projects(self) -> bool:
        """Whether the events are of more than one project."""
        return self.place is None or self.place.is_group

    @property
    def types(self) -> Sequence[str]:
        """The types that there may be."""
        is_everywhere = self.place is None and self.caller.is_admin
        return [event.topic() for event in EVENTS if is_everywhere or event is not StorageChecked]


@routes.page(PROJECT + _EVENTS)
@routes.page(GROUP + _EVENTS)
@routes.page(_EVENTS)
async def list_events(request: web.Request) -> web.Response:
    """Show the newest events, those that come while the page is open, and a way back to older ones."""
    listing = read_listing(request, EventListing)
    since = datetime.now(UTC) - listing.since.length if listing.since else None
    async with _visit(request, listing) as (connection, reader):
        page = await reader.audience.read_back(connection, listing.before, _wanted(listing), since=since, limit=_SHOWN)
        ids = {event.project_id for event in page.events if event.project_id is not None}
        paths = await project_paths(connection, ids)
    is_newest = listing.before is None
    stream = _stream_address(request, reader, page.newest) if reader.can_follow and is_newest else None
    return render(
        request,
        "events.html",
        reader=reader,
        listing=listing,
        chosen=",".join(sorted(listing.types or ())),
        periods=tuple(Since),
        package_types=tuple(PackageType),
        events=[event_view(each, reader.audience.shown(each), paths.get(each.project_id or 0)) for each in page.events],
        stream_address=stream,
        next_address=with_parameters(request, before=page.before) if page.before else None,
        first_address=None if is_newest else with_parameters(request, before=None),
    )


@routes.resource(PROJECT + _STREAM)
@routes.resource(GROUP + _STREAM)
@routes.resource(_STREAM)
async def follow_events(request: web.Request) -> web.StreamResponse:
    """Send rows of the list as events come, with the rights of now; it holds no connection to the database."""
    listing = read_listing(request, EventListing)
    async with _visit(request, listing) as (connection, reader):
        _require_follower(reader)
        last = last_event_id(request)
        after = listing.after if last is None else last
        after = (await feed.bounds(connection)).newest if after is None else after
        await feed.reach(connection, after)

    async def visit_again() -> Audience:
        try:
            async with _visit(request, listing) as (_, found):
                _require_follower(found)
                return found.audience
        except PlaceMovedError:
            raise NotFoundError from None

    rows = _Rows(request, names_projects=reader.names_projects)
    with one_more_waits(request, f"user {reader.caller.user_id}"):
        return await EventStream(request, _wanted(listing), visit_again, rows.messages).send(reader.audience, after)


class _Rows:
    """The rows of one stream."""

    def __init__(self, request: web.Request, *, names_projects: bool) -> None:
        self._request = request
        self._names_projects = names_projects
        self._paths: dict[int, str] = {}

    async def messages(self, shown: Shown) -> str:
        """Return one message with a row for each event, the newest first, as it is put in front of the list."""
        unknown = {event.project_id for event, _ in shown if event.project_id is not None} - self._paths.keys()
        if unknown:
            async with self._request.app[CONTEXT].database.connection() as connection:
                self._paths |= await project_paths(connection, unknown)
        views = [event_view(event, body, self._paths.get(event.project_id or 0)) for event, body in reversed(shown)]
        text = self._text(views)
        data = "".join(f"data: {line}\n" for line in _LINE_BREAK.split(text))
        return f"id: {shown[-1][0].sequence:0{SEQUENCE_DIGITS}}\nevent: rows\n{data}\n"

    def _text(self, views: Sequence[EventView]) -> str:
        return rendered(self._request, "event_rows.html", events=views, names_projects=self._names_projects)


@asynccontextmanager
async def _visit(request: web.Request, listing: EventListing) -> AsyncGenerator[tuple[Connection, EventReader]]:
    """Give a connection and the reader, with the rights that the feed of the API gives it."""
    if "path" not in request.match_info:
        async with visit(request) as (connection, caller):
            everything = Audience(caller, sees_all=caller.is_admin)
            audience = await _chosen(connection, caller, listing.project, None) or everything
            yield connection, EventReader(caller, audience, None)
    elif request.path.startswith("/groups/"):
        async with group_visit(request) as (connection, caller, group):
            everything = Audience(caller, group_id=group.id)
            audience = await _chosen(connection, caller, listing.project, group) or everything
            yield connection, EventReader(caller, audience, group_place(group))
    else:
        async with project_visit(request) as (connection, found):
            audience = Audience(found.caller, levels={found.project.id: found.level})
            yield connection, EventReader(found.caller, audience, project_place(found.project))


async def _chosen(
    connection: Connection, caller: Caller, reference: str | None, group: Group | None
) -> Audience | None:
    """Return the audience of one project, which may be below the group; it sees nothing where it may not read that."""
    if reference is None:
        return None
    nothing = Audience(caller, levels={})
    try:
        project = await access.visible_project(connection, caller, reference)
        access.require_read(caller, project)
    except RefusedError:
        return nothing
    if group is not None and not project.path.lower().startswith(f"{group.path.lower()}/"):
        return nothing
    return Audience(caller, levels={project.id: access.level_in(caller, project)})


def _require_follower(reader: EventReader) -> None:
    if not reader.can_follow:
        raise UnauthorizedError


def _wanted(listing: EventListing) -> WantedEvents:
    return WantedEvents(listing.types, listing.package_type)


def _stream_address(request: web.Request, reader: EventReader, newest: int) -> str:
    return f"{reader.address}/live{with_parameters(request, after=newest, before=None)}"
