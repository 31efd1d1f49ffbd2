"""The rights of a caller: which projects and groups it sees, and what it may do there."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from schemas.names import AccessLevel, Credential, DeployScope, Visibility
from service.access import readable
from service.access import rows as access_rows
from service.access.callers import Caller
from service.access.readable import ReadableProject
from service.access.rows import Group, Project
from service.infra.postgres.database import Connection
from service.refusals import ForbiddenError, GroupNotFoundError, JobTokenRefusedError, ProjectNotFoundError

LEVEL_TO_DELETE: Final = AccessLevel.MAINTAINER
"""Deletes packages and files."""

LEVEL_TO_UNDO: Final = AccessLevel.MAINTAINER
"""Restores and retries deletions, and reads why one failed."""

LEVEL_TO_END_GRACE: Final = AccessLevel.OWNER
"""Lets a deletion go on without the rest of its grace."""

_Place = TypeVar("_Place", Project, Group)


def level_in(caller: Caller, place: Project | Group) -> AccessLevel:
    """Return the caller's level there, with an admin above all roles, and a deploy token at what its scopes need."""
    if caller.credential is Credential.DEPLOY_TOKEN:
        is_own = isinstance(place, Project) and place.id == caller.project_id
        return _deploy_level(caller) if is_own else AccessLevel.NONE
    return AccessLevel.ADMIN if caller.is_admin else place.level


async def visible_project(connection: Connection, caller: Caller, reference: str) -> Project:
    """Return the project with that number or full path, or with one that it had before.

    Raises:
        ProjectNotFoundError: there is none, or the caller may not know of it.
        JobTokenRefusedError: the caller is a job of a project whose jobs are not let in.
    """
    return await require_visible(connection, caller, await find_project(connection, caller, reference))


async def find_project(connection: Connection, caller: Caller, reference: str) -> Project | None:
    """Return the project with that number or full path, or with one that it had before; whether visible or not."""
    return await access_rows.find_project(
        connection, reference, caller.user_id, job_project_id=caller.project_id if _is_job(caller) else None
    )


async def require_visible(connection: Connection, caller: Caller, found: Project | None) -> Project:
    """Return the project that was found for the caller.

    Raises:
        ProjectNotFoundError: there is none, or the caller may not know of it.
        JobTokenRefusedError: the caller is a job of a project whose jobs are not let in.
    """
    project = _visible(found, caller, ProjectNotFoundError)
    if not _is_open_to(caller, project.visibility):
        await _require_allowance(connection, caller, project)
    return project


async def visible_group(connection: Connection, caller: Caller, reference: str) -> Group:
    """Return the group with that number or full path.

    Raises:
        GroupNotFoundError: there is none, or the caller may not know of it.
    """
    return require_visible_group(caller, await access_rows.find_group(connection, reference, caller.user_id))


def require_visible_group(caller: Caller, found: Group | None) -> Group:
    """Return the group that was found for the caller.

    Raises:
        GroupNotFoundError: there is none, or the caller may not know of it.
    """
    return _visible(found, caller, GroupNotFoundError)


async def readable_projects(
    connection: Connection, caller: Caller, group: Group, *, exclude_subgroups: bool = False
) -> dict[int, ReadableProject]:
    """Return, by id, the projects below a group whose packages the caller may read, if these are switched on.

    GitLab of April 2022 lists packages also where they are switched off; for anything else, take `project_levels`.
    """
    return await readable.readable_projects(
        connection,
        group,
        user_id=caller.user_id,
        is_admin=caller.is_admin,
        is_insider=caller.is_insider,
        exclude_subgroups=exclude_subgroups,
    )


async def readable_everywhere(connection: Connection, caller: Caller, *, limit: int) -> dict[int, ReadableProject]:
    """Return, by id, at most *limit* of all projects whose packages the caller may read, with the caller's level."""
    projects = await readable.readable_everywhere(
        connection, user_id=caller.user_id, is_admin=caller.is_admin, is_insider=caller.is_insider, limit=limit
    )
    if not caller.is_admin:
        return projects
    return {number: replace(project, level=AccessLevel.ADMIN) for number, project in projects.items()}


async def readable_ids(connection: Connection, caller: Caller, *, limit: int) -> Sequence[int]:
    """Return the ids of the projects of `readable_everywhere`."""
    return await readable.readable_ids(
        connection, user_id=caller.user_id, is_admin=caller.is_admin, is_insider=caller.is_insider, limit=limit
    )


async def project_levels(
    connection: Connection, caller: Caller, group: Group, *, exclude_subgroups: bool = False
) -> dict[int, AccessLevel]:
    """Return the caller's level, by id, in those projects below a group whose packages the caller may read."""
    projects = await readable_projects(connection, caller, group, exclude_subgroups=exclude_subgroups)
    return levels_in(caller, projects)


def levels_in(caller: Caller, projects: Mapping[int, ReadableProject]) -> dict[int, AccessLevel]:
    """Return the caller's level, by id, in those of its readable projects whose packages are switched on."""
    return {
        project.id: AccessLevel.ADMIN if caller.is_admin else project.level
        for project in projects.values()
        if project.packages_enabled
    }


async def levels_among(
    connection: Connection, caller: Caller, project_ids: Collection[int], *, group_id: int | None
) -> dict[int, AccessLevel]:
    """Return the caller's level, by id, in those projects whose packages it may read; below that group, if any."""
    roles = await readable.readable_among(
        connection,
        project_ids,
        group_id=group_id,
        user_id=caller.user_id,
        is_admin=caller.is_admin,
        is_insider=caller.is_insider,
    )
    return {project_id: AccessLevel.ADMIN if caller.is_admin else level for project_id, level in roles.items()}


async def levels_in_groups(
    connection: Connection, caller: Caller, group_ids: Collection[int], *, group_id: int | None
) -> dict[int, AccessLevel]:
    """Return the caller's level, by id, in those groups in which it may publish; below that group, if any."""
    roles = await readable.roles_in_groups(connection, group_ids, group_id=group_id, user_id=caller.user_id)
    levels = {each: AccessLevel.ADMIN if caller.is_admin else role for each, role in roles.items()}
    return {each: level for each, level in levels.items() if level >= AccessLevel.DEVELOPER}


def may_delete(caller: Caller, project: Project) -> bool:
    """Return whether the project would let the caller delete packages."""
    is_maintainer = level_in(caller, project) >= LEVEL_TO_DELETE
    return project.packages_enabled and is_maintainer and _may_write(caller, project)


def require_read(caller: Caller, project: Project) -> None:
    """Check that the caller may read the packages of a project that it sees.

    Raises:
        ForbiddenError: packages are off, or the caller is a guest of a project that is not public.
    """
    if not project.packages_enabled or not _may_read(caller, project):
        raise ForbiddenError


def require_group_read(caller: Caller, group: Group) -> None:
    """Check that the caller may list the packages below a group that it sees.

    Raises:
        ForbiddenError: the caller is a guest of a group that is not public.
    """
    is_guest = AccessLevel.NONE < group.level < AccessLevel.REPORTER
    if is_guest and not caller.is_admin and not _is_open_to(caller, group.visibility):
        raise ForbiddenError


def require_credential(caller: Caller) -> None:
    """Check that it is somebody who asks for a change.

    Raises:
        ForbiddenError: it is nobody.
    """
    if caller.credential is None:
        raise ForbiddenError


async def require_level(connection: Connection, caller: Caller, project: Project, level: AccessLevel) -> None:
    """Check that the caller has at least that role, and that a job may write there.

    Raises:
        ForbiddenError: it has not.
        JobTokenRefusedError: the caller is a job of a project whose jobs are not let in.
    """
    if level_in(caller, project) < level:
        raise ForbiddenError
    await _require_allowance(connection, caller, project)


def _deploy_level(caller: Caller) -> AccessLevel:
    return AccessLevel.DEVELOPER if DeployScope.WRITE_PACKAGE_REGISTRY in caller.scopes else AccessLevel.REPORTER


def _is_job(caller: Caller) -> bool:
    return caller.credential is Credential.JOB_TOKEN


def _may_write(caller: Caller, project: Project) -> bool:
    return not _is_job(caller) or project.lets_job_in


async def _require_allowance(connection: Connection, caller: Caller, project: Project) -> None:
    if not _may_write(caller, project):
        source = await access_rows.project_path(connection, caller.project_id or 0)
        raise JobTokenRefusedError(source, project.path)


def _visible(place: _Place | None, caller: Caller, missing: Callable[[], Exception]) -> _Place:
    if place is None:
        raise missing()
    is_member = level_in(caller, place) > AccessLevel.NONE or place.holds_membership
    if not (is_member or _is_open_to(caller, place.visibility)):
        raise missing()
    return place


def _may_read(caller: Caller, project: Project) -> bool:
    return _is_open_to(caller, project.visibility) or level_in(caller, project) >= AccessLevel.REPORTER


def _is_open_to(caller: Caller, visibility: Visibility) -> bool:
    return visibility is Visibility.PUBLIC or (visibility is Visibility.INTERNAL and caller.is_insider)
