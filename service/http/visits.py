"""The caller of a request: from the request's credentials to a caller, a project and a permission."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from aiohttp import web

from schemas.names import AccessLevel, Credential
from service.access import access
from service.access.callers import ANONYMOUS, WRITING_SCOPES, Caller, PresentedToken, caller_of, caller_with
from service.access.rows import Group, Project, VisitQuery, WithVisit, known_visit_query, visit_query
from service.digests import token_digest
from service.http.addresses import external_url
from service.http.carriers import Carrier
from service.http.credentials import presented_tokens
from service.http.keys import CONTEXT, CREDENTIAL_OWNER, LOG_FIELDS, READS
from service.http.operations import OPERATION, READING, AnyRefusal
from service.infra.postgres.database import Connection
from service.infra.postgres.expensive_reads import Cost
from service.refusals import (
    BadParametersError,
    ForbiddenError,
    GroupNotFoundError,
    InsufficientScopeError,
    JobTokenRefusedError,
    MovedProjectWriteError,
    NotFoundError,
    PackagesDisabledError,
    ProjectNotFoundError,
    UnauthorizedError,
)

_Parameters = TypeVar("_Parameters")
_Found = TypeVar("_Found")

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
        _admit(request, caller)
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
    async with caller_visit(request) as (connection, caller):
        _require_packages(request)
        if credential_required and caller.credential is None:
            raise UnauthorizedError
        project = await project_of(request, connection, caller)
        access.require_read(caller, project)
        yield connection, Visit(caller, project)


@asynccontextmanager
async def group_visit(request: web.Request) -> AsyncGenerator[tuple[Connection, Caller, Group]]:
    """Give a connection, the caller and the group, after the checks that come before any parameter.

    Raises:
        RefusedError: the credential is bad, the group is not visible, or its packages may not be read.
    """
    async with caller_visit(request) as (connection, caller):
        _require_packages(request)
        try:
            group = await access.visible_group(connection, caller, request.match_info["id"])
        except GroupNotFoundError:
            _ask_package_manager(request, caller)
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


async def read_in_project(
    request: web.Request,
    parameters: Callable[[], _Parameters],
    read: Callable[[Connection, VisitQuery, _Parameters], Awaitable[WithVisit[_Found | None]]],
    *,
    cost_of: Callable[[_Parameters], Cost] = lambda _: Cost.PLAIN,
) -> tuple[Visit, _Parameters, _Found]:
    """Read something of a project in the round trip that finds the caller and the project; return all three.

    All checks are those of `project_visit`, in the same order: what was read goes no further if one fails. Wrong
    *parameters* are refused only after them. A read that is not plain by *cost_of* begins only after them.

    Raises:
        RefusedError: the credential is bad, the project is not visible, its packages may not be read, or parameters
            are wrong. Or nothing was found: NotFoundError.
        web.HTTPMovedPermanently: the project was asked for by a path that it had before.
    """
    try:
        wanted = parameters()
    except BadParametersError:
        async with project_visit(request):
            raise
    presented = await presented_tokens(request)
    digest = token_digest(presented[0].token) if presented else None
    query = visit_query(request.match_info["id"], digest)
    is_simple = len(presented) <= 1 and all(one.counts_when_bad for one in presented)
    cost = cost_of(wanted)
    if query is None or not is_simple or cost is not Cost.PLAIN:
        async with project_visit(request) as (_, visit):
            pass
        async with request.app[READS].connection(cost) as connection:
            return visit, wanted, _required((await read(connection, visit.query, wanted)).found)
    async with request.app[CONTEXT].database.connection() as connection:
        seen = await read(connection, query, wanted)
        caller = caller_with(seen.token, presented[0]) if presented else ANONYMOUS
        return await _judged(request, connection, caller, seen.project), wanted, _required(seen.found)


async def project_of(request: web.Request, connection: Connection, caller: Caller) -> Project:
    """Return the project that the request's path names.

    Raises:
        RefusedError: it is not visible; or it was asked for by a path that it had before, not to read it.
        web.HTTPMovedPermanently: it was asked for by a path that it had before, to read it.
    """
    try:
        project = await access.visible_project(connection, caller, request.match_info["id"])
    except ProjectNotFoundError:
        _ask_package_manager(request, caller)
        raise
    _require_current_path(request, project)
    return project


def _required(found: _Found | None) -> _Found:
    if found is None:
        raise NotFoundError
    return found


async def _judged(request: web.Request, connection: Connection, caller: Caller, found: Project | None) -> Visit:
    _admit(request, caller)
    _require_packages(request)
    project = await access.require_visible(connection, caller, found)
    _require_current_path(request, project)
    access.require_read(caller, project)
    return Visit(caller, project)


def _require_current_path(request: web.Request, project: Project) -> None:
    if project.is_moved:
        if request.method not in READING:
            raise MovedProjectWriteError
        raise web.HTTPMovedPermanently(_address_by_number(request, project))


def _admit(request: web.Request, caller: Caller) -> None:
    if caller.credential is not None:
        request[CREDENTIAL_OWNER] = f"user {caller.user_id}" if caller.user_id else f"token {caller.token_id}"
        request[LOG_FIELDS]["user_id"] = caller.user_id
    if caller.credential in {Credential.PERSONAL_ACCESS_TOKEN, Credential.JOB_TOKEN}:
        needed = request[OPERATION].reading_scopes if request.method in READING else WRITING_SCOPES
        if not caller.scopes & needed:
            raise InsufficientScopeError


def _ask_package_manager(request: web.Request, caller: Caller) -> None:
    """Answer 401 on routes of package managers, so that an anonymous client sends its credentials.

    The other routes hide that something is there.
    """
    if Carrier.BASIC in request[OPERATION].carriers and caller.credential is None:
        raise UnauthorizedError from None


async def _caller(connection: Connection, presented: Sequence[PresentedToken]) -> Caller:
    for credential in presented:
        caller = await caller_of(connection, credential)
        if caller.credential is not None:
            return caller
    return ANONYMOUS


def _address_by_number(request: web.Request, project: Project) -> str:
    head, _, tail = request.rel_url.raw_path.partition("/projects/")
    _, slash, rest = tail.partition("/")
    query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
    return f"{external_url(request)}{head}/projects/{project.id}{slash}{rest}{query}"


def _require_packages(request: web.Request) -> None:
    if not request.app[CONTEXT].settings.packages_enabled:
        raise PackagesDisabledError
