"""The right to write rules of retention: maintainers of a project, owners of a group, and administrators have it."""

from schemas.names import AccessLevel
from service.access import access
from service.access.callers import Caller
from service.access.rows import Group, Project
from service.infra.postgres.database import Connection
from service.refusals import ForbiddenError, UnauthorizedError
from service.retention.rules import INSTANCE, RulePlace


async def project_place(connection: Connection, caller: Caller, project: Project) -> RulePlace:
    """Return the place of a project's rules.

    Raises:
        RefusedError: the caller may not write them.
    """
    await access.require_level(connection, caller, project, access.LEVEL_TO_DELETE)
    return RulePlace(project_id=project.id)


def group_place(caller: Caller, group: Group) -> RulePlace:
    """Return the place of a group's rules.

    Raises:
        ForbiddenError: the caller may not write them.
    """
    if access.level_in(caller, group) < AccessLevel.OWNER:
        raise ForbiddenError
    return RulePlace(group_id=group.id)


def instance_place(caller: Caller) -> RulePlace:
    """Return the place of the instance's rules.

    Raises:
        RefusedError: the caller may not write them.
    """
    if caller.credential is None:
        raise UnauthorizedError
    if not caller.is_admin:
        raise ForbiddenError
    return INSTANCE
