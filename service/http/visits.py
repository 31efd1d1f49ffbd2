"""The caller of a request: from the request's credentials to a caller, a project and a permission."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiohttp import web

from schemas.names import AccessLevel
from service.access import access
from service.access import rows as access_rows
from service.access.callers import ANONYMOUS, Caller, PresentedToken, caller_of, caller_with
from service.access.rows import Group, Project, Token, VisitQuery, known_visit_query, visit_query
from service.digests import token_digest
from service.http.admission import admit, ask_for_credentials, require_current_path, require_packages
from service.http.credentials import presented_tokens
from service.http.keys import CONTEXT
from service.http.operations import AnyRefusal
from service.infra.postgres.database import Connection
from service.refusals import (
    ForbiddenError,
    GroupNotFoundError,
    JobTokenRefusedError,
    PackagesDisabledError,
    ProjectNotFoundError,
    UnauthorizedError,
)

PROJECT_REFUSALS: Final[tuple[AnyRefusal, ...]] = (
    ProjectNotFoundError,
    PackagesDisabledError,
    ForbiddenError,
    JobTokenRefusedError("group/source", "group/target"),
)
"""Why a project's packages may not be visited."""

GROUP_REFUSALS: Final[tuple[AnyRefusal, ...]] = (GroupNotFoundError, PackagesDisabledError, ForbiddenError)
"""Why a group's packages may not be visited."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A caller in a project."""

    caller: Caller
    project: Project

    @property
    def level(self) -> AccessLevel:
        """The caller's level in the project."""
        return access.level_in(self.caller, self.project)

    @property
    def may_delete(self) -> bool:
        """Whether the caller may delete packages here."""
        return access.may_delete(self.caller, self.project)

    @property
    def query(self) -> VisitQuery:
        """The visit as a part of a query."""
        return known_visit_query(self.project, may_delete=self.may_delete)


@dataclass(frozen=True, slots=True)
class ProjectScope:
    """The projects that a request is about, one or those of a group, each with the caller's level in it."""

    caller: Caller
    levels: Mapping[int, AccessLevel]
    """Level by the id of the project."""


ScopeVisit: TypeAlias = Callable[[web.Request], AbstractAsyncContextManager[tuple[Connection, ProjectScope]]]
"""Either `project_scope` or `group_scope`: a handler that takes one serves both."""


@asynccontextmanager
async def caller_visit(request: web.Request) -> AsyncGenerator[tuple[Connection, Caller]]:
    """Give a connection and the caller, who may be anonymous.

    Raises:
        RefusedError: the credential is bad, or its scopes do not cover the request.
    """
    presented = await presented_tokens(request)
    async with request.app[CONTEXT].database.connection() as connection:
        caller = await _caller(connection, presented)
        admit(request, caller)
        yield connection, caller


@asynccontextmanager
async def project_visit(
    request: web.Request, *, credential_required: bool = False
) -> AsyncGenerator[tuple[Connection, Visit]]:
    """Give a connection and the visit, after the checks that come before any parameter is read.

    Raises:
        RefusedError: the credential is bad, the project is not visible, or its packages may not be read.
        web.HTTPMovedPermanently: the project was asked for by a path that it had before.
    """
    presented = await presented_tokens(request)
    async with request.app[CONTEXT].database.connection() as connection:
        caller, found = await _caller_and_project(request, connection, presented)
        admit(request, caller)
        require_packages(request)
        if credential_required and caller.credential is None:
            raise UnauthorizedError
        project = await judged_project(request, connection, caller, found)
        access.require_read(caller, project)
        yield connection, Visit(caller, project)


@asynccontextmanager
async def group_visit(request: web.Request) -> AsyncGenerator[tuple[Connection, Caller, Group]]:
    """Give a connection, the caller and the group, after the checks that come before any parameter.

    Raises:
        RefusedError: the credential is bad, the group is not visible, or its packages may not be read.
    """
    async with caller_visit(request) as (connection, caller):
        require_packages(request)
        try:
            group = await access.visible_group(connection, caller, request.match_info["id"])
        except GroupNotFoundError:
            ask_for_credentials(request, caller)
            raise
        access.require_group_read(caller, group)
        yield connection, caller, group


@asynccontextmanager
async def project_scope(request: web.Request) -> AsyncGenerator[tuple[Connection, ProjectScope]]:
    """Give a connection and the one project of the request, as `project_visit` does."""
    async with project_visit(request) as (connection, found):
        yield connection, ProjectScope(found.caller, {found.project.id: found.level})


@asynccontextmanager
async def group_scope(request: web.Request) -> AsyncGenerator[tuple[Connection, ProjectScope]]:
    """Give a connection and the projects of a group whose packages the caller may read, as `group_visit` does."""
    async with group_visit(request) as (connection, caller, group):
        yield connection, ProjectScope(caller, await access.project_levels(connection, caller, group))


async def project_of(request: web.Request, connection: Connection, caller: Caller) -> Project:
    """Return the project that the request's path names.

    Raises:
        RefusedError: it is not visible; or it was asked for by a path that it had before, not to read it.
        web.HTTPMovedPermanently: it was asked for by a path that it had before, to read it.
    """
    found = await access.find_project(connection, caller, request.match_info["id"])
    return await judged_project(request, connection, caller, found)


def query_of_visit(request: web.Request, presented: Sequence[PresentedToken]) -> VisitQuery | None:
    """Return the query that finds caller and project together; None if it has to try more than one credential."""
    return visit_query(request.match_info["id"], digest_of(presented)) if is_decided(presented) else None


def is_decided(presented: Sequence[PresentedToken]) -> bool:
    """Return whether the first credential is the only one that can count, or there is none."""
    return len(presented) <= 1


def is_seen_with_other_rights(caller: Caller, token: Token | None) -> bool:
    """Return whether a query used the rights of a token that makes the caller nobody, since it is no longer good.

    The query must then run again with no credential.
    """
    return caller.credential is None and token is not None


def digest_of(presented: Sequence[PresentedToken]) -> bytes | None:
    """Return the digest of the first credential; None if there is none."""
    return token_digest(presented[0].token) if presented else None


def caller_in(presented: Sequence[PresentedToken], token: Token | None) -> Caller:
    """Return the caller of a request whose one credential, if there is one, has the row *token*.

    Raises:
        RefusedError: the credential is bad.
    """
    return caller_with(token, presented[0]) if presented else ANONYMOUS


async def _caller_and_project(
    request: web.Request, connection: Connection, presented: Sequence[PresentedToken]
) -> tuple[Caller, Project | None]:
    """Return the first good credential's caller, and the project as this caller sees it: both from one statement."""
    reference = request.match_info["id"]
    for credential in presented:
        query = visit_query(reference, token_digest(credential.token))
        if query is None:
            return await _caller(connection, presented), None
        seen = await access_rows.find_visit(connection, query)
        caller = caller_with(seen.token, credential)
        if caller.credential is not None:
            return caller, seen.project
    return ANONYMOUS, await access.find_project(connection, ANONYMOUS, reference)


async def judged_project(
    request: web.Request, connection: Connection, caller: Caller, found: Project | None
) -> Project:
    """Return the project that was found for the request's path.

    Raises:
        RefusedError, web.HTTPMovedPermanently: as for `project_of`.
    """
    try:
        project = await access.require_visible(connection, caller, found)
    except ProjectNotFoundError:
        ask_for_credentials(request, caller)
        raise
    require_current_path(request, project)
    return project


async def _caller(connection: Connection, presented: Sequence[PresentedToken]) -> Caller:
    for credential in presented:
        caller = await caller_of(connection, credential)
        if caller.credential is not None:
            return caller
    return ANONYMOUS
