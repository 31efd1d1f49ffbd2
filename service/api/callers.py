"""Who is asking: from the request's credentials to a caller, a project and a permission."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from schemas.names import AccessLevel, Cause, Credential
from schemas.topology import Lane
from service import access
from service.access import ANONYMOUS, Caller
from service.api.keys import CONTEXT, LOG_FIELDS, REQUEST_ID
from service.errors import BadParametersError, InsufficientScopeError, UnauthorizedError
from service.infra.access_rows import Group, Project
from service.infra.database import Connection
from service.infra.deletion_rows import Origin

_READING: Final = frozenset({"GET", "HEAD"})
_BEARER: Final = "bearer "
_LONGEST_REASON: Final = 1_000


@dataclass(frozen=True, slots=True)
class Visit:
    """A caller in a project."""

    caller: Caller
    project: Project

    def origin(self, request: web.Request) -> Origin:
        """Return who asks for a deletion here, with what."""
        return Origin(
            requested_by=self.caller.user_id,
            requested_level=access.level_in(self.caller, self.project),
            credential=self.caller.credential or Credential.PERSONAL_ACCESS_TOKEN,
            cause=Cause.USER,
            lane=Lane.INTERACTIVE,
            reason=_reason(request),
            request_id=request[REQUEST_ID],
        )


@asynccontextmanager
async def project_visit(request: web.Request) -> AsyncGenerator[tuple[Connection, Visit]]:
    """Give a connection and the visit, after the checks that come before any parameter is looked at.

    Raises:
        RefusedError: the credential is bad, the project is not visible, or its packages may not be read.
    """
    async with request.app[CONTEXT].database.connection() as connection:
        caller = await _caller(request, connection)
        project = await access.visible_project(connection, caller, request.match_info["id"])
        access.require_read(caller, project)
        yield connection, Visit(caller, project)


@asynccontextmanager
async def group_visit(request: web.Request) -> AsyncGenerator[tuple[Connection, Caller, Group]]:
    """Give a connection, the caller and the group, after the checks that come before any parameter.

    Raises:
        RefusedError: the credential is bad, the group is not visible, or its packages may not be read.
    """
    async with request.app[CONTEXT].database.connection() as connection:
        caller = await _caller(request, connection)
        group = await access.visible_group(connection, caller, request.match_info["id"])
        access.require_group_read(caller, group)
        yield connection, caller, group


async def visit(request: web.Request, *, level: AccessLevel, user_required: bool = False) -> Visit:
    """Return the visit of a caller who has at least *level* in the project, and let the connection go.

    Raises:
        RefusedError: some check says no.
    """
    if user_required and not _token(request):
        raise UnauthorizedError
    async with project_visit(request) as (_, found):
        access.require_level(found.caller, found.project, level)
    return found


def _reason(request: web.Request) -> str | None:
    reason = request.query.get("reason", "")
    if "\x00" in reason or len(reason) > _LONGEST_REASON:
        raise BadParametersError("reason is invalid")
    return reason or None


async def _caller(request: web.Request, connection: Connection) -> Caller:
    token = _token(request)
    if not token:
        return ANONYMOUS
    caller = await access.caller_of_token(connection, token)
    request[LOG_FIELDS]["user_id"] = caller.user_id
    if request.method not in _READING and not caller.may_write:
        raise InsufficientScopeError
    return caller


def _token(request: web.Request) -> str:
    """Return the personal token that the request shows, in whichever of its places."""
    authorization = request.headers.get("Authorization", "")
    bearer = authorization[len(_BEARER) :].strip() if authorization.lower().startswith(_BEARER) else ""
    return request.headers.get("PRIVATE-TOKEN") or bearer or request.query.get("private_token", "")
