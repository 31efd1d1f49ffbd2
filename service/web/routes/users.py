"""Short addresses: a group's leads to its page, a user's shows what the reader may see of the user."""

from typing import Final

from aiohttp import web

from schemas.names import Credential
from service.access import access
from service.access.callers import Caller
from service.catalogue import browsing, people
from service.catalogue.rows.users import TokenRow, UserRow
from service.infra.postgres.database import Connection
from service.refusals import GroupNotFoundError, ProjectNotFoundError
from service.web.deletions import readable_places
from service.web.frame.rendering import render, see_other
from service.web.frame.routing import NAME, PageRoutes
from service.web.views import package_address
from service.web.visits import visit

routes = PageRoutes()

_SHOWN: Final = 20


@routes.page(NAME)
async def show_name(request: web.Request) -> web.Response:
    """Lead from the short address of a group to its page, or show a user."""
    name = request.match_info["path"].lower()
    async with visit(request) as (connection, caller):
        try:
            group = await access.visible_group(connection, caller, name)
        except GroupNotFoundError:
            return await _show_user(request, connection, caller, name)
    if group.path.lower() != name:
        raise ProjectNotFoundError
    return see_other(request, f"/groups/{group.path}")


async def _show_user(request: web.Request, connection: Connection, caller: Caller, name: str) -> web.Response:
    user = await people.find_by_username(connection, name)
    if user is None:
        raise ProjectNotFoundError
    places = await readable_places(connection, caller)
    shared = await people.shared_projects(connection, user, places)
    if not (shared or _may_know(caller, user)):
        raise ProjectNotFoundError
    published = await people.published(connection, user, shared, limit=_SHOWN)
    return render(
        request,
        "user.html",
        user=user,
        is_self=caller.user_id == user.id,
        token=await _token(connection, caller, user),
        published=[(row, package_address(row.project_path, row.package_type, row.id)) for row in published],
        requested=await people.requested(connection, user, shared, limit=_SHOWN),
    )


def _may_know(caller: Caller, user: UserRow) -> bool:
    """Return whether the caller may know of the user though they share no project: all but externals may, signed in."""
    return caller.is_insider or caller.is_admin or caller.user_id == user.id


async def _token(connection: Connection, caller: Caller, user: UserRow) -> TokenRow | None:
    """Return the token of the session, to its own user."""
    is_own = caller.user_id == user.id and caller.credential is Credential.PERSONAL_ACCESS_TOKEN
    return await browsing.show_token(connection, caller) if is_own else None
