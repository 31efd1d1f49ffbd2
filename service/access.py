"""Who is asking, and what that caller may do where."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from schemas.names import AccessLevel, Credential, Scope, UserState, Visibility
from service.digests import token_digest
from service.errors import (
    BlockedUserError,
    ForbiddenError,
    GroupNotFoundError,
    ProjectNotFoundError,
    TokenExpiredError,
    TokenRevokedError,
    UnauthorizedError,
)
from service.infra import access_rows
from service.infra.access_rows import Group, Project
from service.infra.database import Connection


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks; anonymous when there is no user."""

    user_id: int | None = None
    username: str | None = None
    is_admin: bool = False
    is_external: bool = False
    credential: Credential | None = None
    may_write: bool = False
    """The credential's scope allows more than reading."""

    @property
    def is_insider(self) -> bool:
        """A user who sees what is internal."""
        return self.user_id is not None and not self.is_external


ANONYMOUS = Caller()

_Place = TypeVar("_Place", Project, Group)


async def caller_of_token(connection: Connection, token: str) -> Caller:
    """Return the caller whose personal access token this is.

    Raises:
        UnauthorizedError, TokenExpiredError, TokenRevokedError, BlockedUserError: the token is good for nothing.
    """
    found = await access_rows.find_access_token(connection, token_digest(token))
    if found is None:
        raise UnauthorizedError
    if found.revoked_at is not None:
        raise TokenRevokedError
    if found.expires_at is not None and found.expires_at <= datetime.now(UTC).date():
        raise TokenExpiredError
    if found.user_state is UserState.BLOCKED:
        raise BlockedUserError
    return Caller(
        user_id=found.user_id,
        username=found.username,
        is_admin=found.is_admin,
        is_external=found.is_external,
        credential=Credential.PERSONAL_ACCESS_TOKEN,
        may_write=Scope.API in found.scopes,
    )


def level_in(caller: Caller, place: Project | Group) -> AccessLevel:
    """Return the caller's level there, with an admin above all roles."""
    return AccessLevel.ADMIN if caller.is_admin else place.level


async def visible_project(connection: Connection, caller: Caller, reference: str) -> Project:
    """Return the project with that number or full path.

    Raises:
        ProjectNotFoundError: there is none, or the caller may not know of it.
    """
    project = await access_rows.find_project(connection, reference, caller.user_id)
    return _visible(project, caller, ProjectNotFoundError)


async def visible_group(connection: Connection, caller: Caller, reference: str) -> Group:
    """Return the group with that number or full path.

    Raises:
        GroupNotFoundError: there is none, or the caller may not know of it.
    """
    group = await access_rows.find_group(connection, reference, caller.user_id)
    return _visible(group, caller, GroupNotFoundError)


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


def require_level(caller: Caller, project: Project, level: AccessLevel) -> None:
    """Check that the caller has at least that role.

    Raises:
        ForbiddenError: it has not.
    """
    if level_in(caller, project) < level:
        raise ForbiddenError


def _visible(place: _Place | None, caller: Caller, missing: Callable[[], Exception]) -> _Place:
    if place is None:
        raise missing()
    is_member = place.level > AccessLevel.NONE or place.holds_membership
    if not (caller.is_admin or is_member or _is_open_to(caller, place.visibility)):
        raise missing()
    return place


def _may_read(caller: Caller, project: Project) -> bool:
    return _is_open_to(caller, project.visibility) or level_in(caller, project) >= AccessLevel.REPORTER


def _is_open_to(caller: Caller, visibility: Visibility) -> bool:
    return visibility is Visibility.PUBLIC or (visibility is Visibility.INTERNAL and caller.is_insider)
