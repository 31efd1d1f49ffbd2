"""Showing the directory: projects, groups, and the caller's own user and token."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schemas.http.directory_parameters import GroupListing, GroupProjectsListing, ProjectListing, ProjectOrderBy
from schemas.http.parameters import MAX_PER_PAGE
from schemas.names import Credential, Visibility
from service.access.callers import Caller
from service.access.rows import Group, Project
from service.catalogue.rows import groups as group_rows
from service.catalogue.rows import projects as project_rows
from service.catalogue.rows import users as user_rows
from service.catalogue.rows.browsing import Viewer
from service.catalogue.rows.groups import Depth, GroupRow
from service.catalogue.rows.projects import ProjectRow
from service.catalogue.rows.users import TokenRow, UserRow
from service.infra.postgres.database import Connection
from service.infra.postgres.pages import Slice
from service.refusals import GroupNotFoundError, ProjectNotFoundError, UnauthorizedError

_MOST_PROJECTS_IN_GROUP: Final = GroupProjectsListing(order_by=ProjectOrderBy.ID, per_page=MAX_PER_PAGE)


@dataclass(frozen=True, slots=True)
class GroupPage:
    """A group, with the first of its projects unless they were not asked for."""

    group: GroupRow
    projects: Sequence[ProjectRow] | None


async def show_user(connection: Connection, caller: Caller) -> UserRow:
    """Return the caller's user.

    Raises:
        UnauthorizedError: the caller is nobody.
    """
    user = None if caller.user_id is None else await user_rows.find_user(connection, caller.user_id)
    if user is None:
        raise UnauthorizedError
    return user


async def show_token(connection: Connection, caller: Caller) -> TokenRow:
    """Return the personal access token that the caller showed.

    Raises:
        UnauthorizedError: the caller showed none.
    """
    is_personal = caller.credential is Credential.PERSONAL_ACCESS_TOKEN and caller.token_id is not None
    token = await user_rows.find_token(connection, caller.token_id or 0) if is_personal else None
    if token is None:
        raise UnauthorizedError
    return token


async def list_projects(
    connection: Connection,
    caller: Caller,
    listing: ProjectListing,
    *,
    group: Group | None = None,
    by_full_path: bool = False,
) -> Slice[ProjectRow]:
    """Return a page of the projects, of all or of the group's, that the caller may know of.

    *by_full_path* takes the place of the wanted order, which GitLab has by the last part of the path only.
    """
    group_id = None if group is None else group.id
    viewer = _viewer(caller)
    return await project_rows.list_projects(connection, viewer, listing, group_id=group_id, by_full_path=by_full_path)


async def show_project(connection: Connection, caller: Caller, project: Project) -> ProjectRow:
    """Return a project that the caller sees.

    Raises:
        ProjectNotFoundError: it went away in between.
    """
    found = await project_rows.find_project(connection, _viewer(caller), project.id)
    if found is None:
        raise ProjectNotFoundError
    return found


async def list_groups(
    connection: Connection,
    caller: Caller,
    listing: GroupListing,
    *,
    group: Group | None = None,
    depth: Depth = Depth.DESCENDANTS,
) -> Slice[GroupRow]:
    """Return a page of the groups, of all or of those below one, that the caller may know of."""
    group_id = None if group is None else group.id
    return await group_rows.list_groups(connection, _viewer(caller), listing, group_id=group_id, depth=depth)


async def show_group(connection: Connection, caller: Caller, group: Group, *, with_projects: bool) -> GroupPage:
    """Return a group that the caller sees.

    Raises:
        GroupNotFoundError: it went away in between.
    """
    found = await group_rows.find_group(connection, group.id)
    if found is None:
        raise GroupNotFoundError
    if not with_projects:
        return GroupPage(found, projects=None)
    return GroupPage(found, (await list_projects(connection, caller, _MOST_PROJECTS_IN_GROUP, group=group)).rows)


def _viewer(caller: Caller) -> Viewer:
    is_open = {Visibility.PUBLIC, Visibility.INTERNAL} if caller.is_insider else {Visibility.PUBLIC}
    return Viewer(user_id=caller.user_id, is_admin=caller.is_admin, visibilities=frozenset(is_open))
