"""Routes besides packages: the instance, the caller, projects and groups. All of them are read only."""

from functools import cache
from importlib.metadata import version
from typing import Final

from aiohttp import web

from schemas.http.directory_parameters import (
    AllProjectsListing,
    GroupDetails,
    GroupListing,
    GroupProjectsListing,
    ProjectListing,
)
from schemas.http.directory_resources import BasicProject, GroupResource, GroupWithProjects, ProjectResource
from schemas.http.instance_resources import AgentServer, CurrentToken, CurrentUser, Metadata, Version
from schemas.names import Scope
from schemas.searching import Sort
from service.access import access
from service.access.callers import READING_SCOPES, Caller
from service.api.entities.directory import (
    basic_project_entity,
    group_entity,
    group_with_projects_entity,
    project_entity,
)
from service.api.entities.users import token_entity, user_entity
from service.catalogue import browsing
from service.catalogue.rows.groups import Depth, GroupRow
from service.catalogue.rows.projects import ProjectRow
from service.http import (
    MOVED,
    PERSONAL,
    Routes,
    caller_visit,
    external_url,
    one,
    page_of,
    read_query,
    reply,
    reply_page,
    reply_part,
)
from service.http.replies import JsonText
from service.http.visits import project_of
from service.infra.postgres.pages import Slice
from service.refusals import GroupNotFoundError, ProjectNotFoundError, UnauthorizedError

routes = Routes("Users, projects and groups", carriers=PERSONAL)

_VERSION: Final = "14.10.0-packyard"
_REVISION: Final = version("packyard")
_OWN_SCOPES: Final = READING_SCOPES | {Scope.READ_USER}
_ANY_SCOPES: Final = frozenset(Scope)

_PROJECTS: Final = "/api/v4/projects"
_GROUPS: Final = "/api/v4/groups"
_GROUP: Final = _GROUPS + "/{id}"


@routes.get("/api/v4/version", answers=one(Version), refusals=(UnauthorizedError,), reading_scopes=_OWN_SCOPES)
async def show_version(request: web.Request) -> web.Response:
    """Show the version of GitLab whose API this is."""
    await _require_user(request)
    return reply(_written_version())


@routes.get("/api/v4/metadata", answers=one(Metadata), refusals=(UnauthorizedError,), reading_scopes=_OWN_SCOPES)
async def show_metadata(request: web.Request) -> web.Response:
    """Show version and edition of the instance."""
    await _require_user(request)
    kas = AgentServer(enabled=False, external_url=None, version=None)
    return reply(Metadata(version=_VERSION, revision=_REVISION, kas=kas, enterprise=False))


@routes.get("/api/v4/user", answers=one(CurrentUser), refusals=(UnauthorizedError,), reading_scopes=_OWN_SCOPES)
async def show_user(request: web.Request) -> web.Response:
    """Show the caller."""
    async with caller_visit(request) as (connection, caller):
        user = await browsing.show_user(connection, caller)
    return reply(user_entity(user, base=external_url(request)))


@routes.get(
    "/api/v4/personal_access_tokens/self",
    answers=one(CurrentToken),
    refusals=(UnauthorizedError,),
    reading_scopes=_ANY_SCOPES,
)
async def show_token(request: web.Request) -> web.Response:
    """Show the token that the request carries."""
    async with caller_visit(request) as (connection, caller):
        token = await browsing.show_token(connection, caller)
    return reply(token_entity(token))


@routes.get(_PROJECTS, query=AllProjectsListing, answers=page_of(ProjectResource | BasicProject))
async def list_projects(request: web.Request) -> web.Response:
    """List the projects that the caller can see; to the anonymous, with fewer keys."""
    async with caller_visit(request) as (connection, caller):
        query = read_query(request, AllProjectsListing)
        page = await browsing.list_projects(connection, caller, query)
    base, is_basic = external_url(request), query.simple or caller.user_id is None
    entities = [
        basic_project_entity(row, base=base) if is_basic else project_entity(row, base=base, with_permissions=True)
        for row in page.rows
    ]
    return _reply_projects(request, entities, page, query)


@routes.get(_PROJECTS + "/{id}", answers=(one(ProjectResource | BasicProject), MOVED), refusals=(ProjectNotFoundError,))
async def show_project(request: web.Request) -> web.Response:
    """Show a project; to the anonymous, with fewer keys."""
    async with caller_visit(request) as (connection, caller):
        project = await project_of(request, connection, caller)
        row = await browsing.show_project(connection, caller, project)
    base = external_url(request)
    if caller.user_id is None:
        return reply(basic_project_entity(row, base=base))
    return reply(project_entity(row, base=base, with_permissions=True))


@routes.get(_GROUPS, query=GroupListing, answers=page_of(GroupResource))
async def list_groups(request: web.Request) -> web.Response:
    """List the groups of the caller, or all that the caller can see."""
    async with caller_visit(request) as (connection, caller):
        query = _read_groups_query(request)
        page = await browsing.list_groups(connection, caller, query)
    return _reply_groups(request, page, query)


@routes.get(_GROUP, query=GroupDetails, answers=one(GroupWithProjects | GroupResource), refusals=(GroupNotFoundError,))
async def show_group(request: web.Request) -> web.Response:
    """Show a group, with its first projects."""
    async with caller_visit(request) as (connection, caller):
        group = await access.visible_group(connection, caller, request.match_info["id"])
        query = read_query(request, GroupDetails)
        found = await browsing.show_group(connection, caller, group, with_projects=query.with_projects)
    base = external_url(request)
    if found.projects is None:
        return reply(group_entity(found.group, base=base))
    projects = [project_entity(row, base=base, with_permissions=False) for row in found.projects]
    return reply(group_with_projects_entity(found.group, projects, base=base))


@routes.get(
    _GROUP + "/projects",
    query=GroupProjectsListing,
    answers=page_of(ProjectResource | BasicProject),
    refusals=(GroupNotFoundError,),
)
async def list_group_projects(request: web.Request) -> web.Response:
    """List the projects of a group."""
    async with caller_visit(request) as (connection, caller):
        group = await access.visible_group(connection, caller, request.match_info["id"])
        query = read_query(request, GroupProjectsListing)
        page = await browsing.list_projects(connection, caller, query, group=group)
    base = external_url(request)
    entities = [
        basic_project_entity(row, base=base) if query.simple else project_entity(row, base=base, with_permissions=False)
        for row in page.rows
    ]
    return _reply_projects(request, entities, page, query)


@routes.get(_GROUP + "/subgroups", query=GroupListing, answers=page_of(GroupResource), refusals=(GroupNotFoundError,))
async def list_subgroups(request: web.Request) -> web.Response:
    """List the groups right in a group."""
    return await _list_below(request, Depth.CHILDREN)


@routes.get(
    _GROUP + "/descendant_groups", query=GroupListing, answers=page_of(GroupResource), refusals=(GroupNotFoundError,)
)
async def list_descendant_groups(request: web.Request) -> web.Response:
    """List all groups below a group."""
    return await _list_below(request, Depth.DESCENDANTS)


async def _list_below(request: web.Request, depth: Depth) -> web.Response:
    async with caller_visit(request) as (connection, caller):
        group = await access.visible_group(connection, caller, request.match_info["id"])
        query = _read_groups_query(request)
        page = await browsing.list_groups(connection, caller, query, group=group, depth=depth)
    return _reply_groups(request, page, query)


@cache
def _written_version() -> JsonText:
    return JsonText(Version(version=_VERSION, revision=_REVISION).model_dump_json())


async def _require_user(request: web.Request) -> Caller:
    async with caller_visit(request) as (_, caller):
        if caller.user_id is None:
            raise UnauthorizedError
    return caller


def _read_groups_query(request: web.Request) -> GroupListing:
    # GitLab's clients write a list as one parameter for each of its elements; we read it as one with commas.
    elements = request.query.getall("skip_groups[]", [])
    if not elements:
        return read_query(request, GroupListing)
    pairs = [(name, value) for name, value in request.query.items() if name != "skip_groups[]"]
    folded = request.rel_url.with_query([*pairs, ("skip_groups", ",".join(elements))])
    return read_query(request.clone(rel_url=folded), GroupListing)


def _reply_groups(request: web.Request, page: Slice[GroupRow], query: GroupListing) -> web.Response:
    base = external_url(request)
    return reply_page(request, [group_entity(row, base=base) for row in page.rows], page, query)


def _reply_projects(
    request: web.Request, entities: list[BasicProject], page: Slice[ProjectRow], query: ProjectListing
) -> web.Response:
    if not query.is_keyset:
        return reply_page(request, entities, page, query)
    # The parameters that GitLab's own clients know lead on.
    position = "id_after" if query.sort is Sort.ASC else "id_before"
    return reply_part(request, entities, query, {"next": {position: page.rows[-1].id}} if page.has_more else {})
