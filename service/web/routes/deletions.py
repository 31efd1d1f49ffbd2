"""The pages of deletions: one by itself, and those of a project, a group or everywhere."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from multidict import MultiMapping

from schemas.http.deletion_parameters import DeletionListing
from schemas.names import AccessLevel
from schemas.statuses import DeletionState
from service.access import access
from service.access.callers import Caller
from service.access.readable import ReadableProject
from service.deletions.viewing import overview as deletion_overview
from service.deletions.viewing import views
from service.deletions.viewing.failures import failed_of, failures_of, retry_all
from service.deletions.viewing.views import DeletionPage
from service.http.keys import CONTEXT
from service.infra.postgres.database import Connection
from service.origins import actor_of
from service.refusals import BadParametersError, ForbiddenError
from service.web.deletions import DeletionView, Rights, deletion_view, readable_places, rights_of, views_in
from service.web.frame.rendering import render
from service.web.frame.routing import GROUP, PROJECT, PageRoutes
from service.web.outcomes import BatchOutcome, counted, shown_outcome, to_outcome
from service.web.parameters import read_listing, read_uuid, with_parameters
from service.web.scopes import scope_visit
from service.web.views import PlaceView, group_place, project_place
from service.web.visits import group_visit, project_visit, sent_form, visit

routes = PageRoutes()

DELETION: Final = PROJECT + "/-/deletions/{deletion_id:[0-9a-fA-F-]+}"

_ORDER: Final = (
    DeletionState.QUEUED,
    DeletionState.GRACE,
    DeletionState.DESTROYING,
    DeletionState.RETRYING,
    DeletionState.FAILED,
    DeletionState.SUCCEEDED,
    DeletionState.RESTORED,
)


@dataclass(frozen=True, slots=True)
class StateTab:
    """One state: how many deletions are in it, and the address of the list of them."""

    state: DeletionState
    deletions: int
    address: str
    is_current: bool

    @property
    def is_cut(self) -> bool:
        """Whether there are more than were counted."""
        return self.deletions > deletion_overview.COUNTED


@routes.page(DELETION)
async def show_deletion(request: web.Request) -> web.Response:
    """Show how far a deletion is."""
    async with project_visit(request) as (connection, found):
        details = await views.show(connection, [found.project.id], read_uuid(request, "deletion_id"))
    view = deletion_view(details, project_path=found.project.path, rights=rights_of(found.caller, found.level))
    return render(request, "deletion.html", place=project_place(found.project), deletion=view, notice=None)


@routes.page(PROJECT + "/-/deletions")
async def list_in_project(request: web.Request) -> web.Response:
    """Show the deletions of a project, newest first."""
    async with project_visit(request) as (connection, found):
        project = found.project
        places = {project.id: ReadableProject(project.id, project.path, project.packages_enabled, found.level)}
        return await _list(request, connection, found.caller, places, place=project_place(project))


@routes.page(GROUP + "/-/deletions")
async def list_in_group(request: web.Request) -> web.Response:
    """Show the deletions of the projects below a group, newest first."""
    async with group_visit(request) as (connection, caller, group):
        readable = await readable_places(connection, caller)
        places = {number: place for number, place in readable.items() if _is_below(place.path, group.path)}
        return await _list(request, connection, caller, places, place=group_place(group))


@routes.page("/-/deletions")
async def list_everywhere(request: web.Request) -> web.Response:
    """Show the deletions of all projects that the caller may read, newest first."""
    async with visit(request) as (connection, caller):
        places = await readable_places(connection, caller)
        return await _list(request, connection, caller, places, place=None)


@routes.form(PROJECT + "/-/deletions/retry")
@routes.form(GROUP + "/-/deletions/retry")
async def retry_failed_in_place(request: web.Request) -> web.Response:
    """Begin failed deletions of a project or group anew: those with one kind of error, or with any."""
    caller, fields = await sent_form(request)
    async with scope_visit(request) as (_, scope):
        own = scope.require_own()
    return await _retry(request, caller, fields, own, _address(scope.place))


@routes.form("/-/deletions/retry")
async def retry_failed_everywhere(request: web.Request) -> web.Response:
    """Begin failed deletions of all projects of the caller anew, as `retry_failed_in_place` does."""
    caller, fields = await sent_form(request)
    async with visit(request) as (connection, _):
        places = await readable_places(connection, caller)
    own = {number: place.level for number, place in places.items() if place.level >= access.LEVEL_TO_UNDO}
    if not own:
        raise ForbiddenError
    return await _retry(request, caller, fields, own, _address(None))


async def _retry(
    request: web.Request,
    caller: Caller,
    fields: MultiMapping[str],
    own: Mapping[int, AccessLevel],
    address: str,
) -> web.Response:
    async with request.app[CONTEXT].database.connection() as connection:
        failed = await failed_of(connection, own, batch_id=None, kind=fields.get("kind"))
    done = await retry_all(request.app[CONTEXT].deletions, failed, actor=actor_of(request, caller), levels=own)
    outcome = BatchOutcome("retry", done.changed, counted(done.refused))
    return to_outcome(request, address, outcome, state=DeletionState.FAILED.value)


async def _list(
    request: web.Request,
    connection: Connection,
    caller: Caller,
    places: Mapping[int, ReadableProject],
    *,
    place: PlaceView | None,
) -> web.Response:
    ids: Collection[int] | None = None if place is None and caller.is_admin else places
    listing = read_listing(request, DeletionListing)
    listed = await _first_if_lost(connection, ids, listing)
    tabs = _tabs(request, listing, await deletion_overview.count_states(connection, ids))
    levels = {number: found.level for number, found in places.items()}
    found: list[DeletionView] = views_in(listed.deletions, levels, caller)
    is_failed = listing.state is DeletionState.FAILED
    return render(
        request,
        "deletions.html",
        place=place,
        failures=await failures_of(connection, places) if is_failed else [],
        outcome=shown_outcome(request, _address(place)),
        may_retry=any(rights_of(caller, found.level) >= Rights.CHANGE for found in places.values()),
        deletions=found,
        listing=listing,
        tabs=tabs,
        all_address=with_parameters(request, state=None, cursor=None),
        next_address=with_parameters(request, cursor=listed.next_cursor) if listed.next_cursor else None,
        first_address=with_parameters(request, cursor=None) if listing.cursor else None,
    )


def _address(place: PlaceView | None) -> str:
    return f"{'' if place is None else place.address}/-/deletions"


def _tabs(request: web.Request, listing: DeletionListing, counts: Mapping[DeletionState, int]) -> list[StateTab]:
    return [
        StateTab(
            state,
            counts[state],
            with_parameters(request, state=state.value, cursor=None),
            is_current=listing.state is state,
        )
        for state in _ORDER
    ]


async def _first_if_lost(connection: Connection, ids: Collection[int] | None, listing: DeletionListing) -> DeletionPage:
    try:
        return await views.list_newest(connection, ids, listing)
    except BadParametersError:
        return await views.list_newest(connection, ids, listing.model_copy(update={"cursor": None}))


def _is_below(project_path: str, group_path: str) -> bool:
    return project_path.lower().startswith(f"{group_path.lower()}/")
