"""The caller of a page, and the project or group that its address names, with the same rights as over the API."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from aiohttp import web
from multidict import MultiMapping
from yarl import URL

from schemas.names import AccessLevel
from service.access import access
from service.access.callers import ANONYMOUS, WRITING_SCOPES, Caller, caller_of_token
from service.access.rows import Group, Project
from service.errors import DatabaseReadOnlyError
from service.http.keys import CONTEXT, LOG_FIELDS
from service.http.visits import Visit
from service.infra.postgres.database import Connection
from service.refusals import (
    GroupNotFoundError,
    InsufficientScopeError,
    PackagesDisabledError,
    PageNotFoundError,
    RefusedError,
)
from service.web.frame.places import ALL_READERS, PLACE
from service.web.frame.rendering import FORM_TOKEN, VIEWER
from service.web.sessions import forms
from service.web.sessions import rows as session_rows
from service.web.sessions.proxies import begin_visit, is_vouched, named_user, open_named, session_secret


class PlaceMovedError(Exception):
    """A project was asked for by a path that it had before; `path` is the one of the page now."""

    def __init__(self, path: str) -> None:
        """Keep the page's path."""
        super().__init__(path)
        self.path = path


class SignInFirstError(Exception):
    """A form was sent by somebody who is not signed in, or not any more."""


@asynccontextmanager
async def visit(request: web.Request) -> AsyncGenerator[tuple[Connection, Caller]]:
    """Give a connection and the caller, who is anonymous without a session that still holds."""
    async with request.app[CONTEXT].database.connection() as connection:
        caller = await find_caller(connection, request)
        request[VIEWER] = caller
        yield connection, caller


@asynccontextmanager
async def project_visit(request: web.Request) -> AsyncGenerator[tuple[Connection, Visit]]:
    """Give a connection and the visit of the project that the address names.

    Raises:
        RefusedError: the project is not visible, or its packages may not be read.
        PlaceMovedError: the address has a path that the project had before.
    """
    async with visit(request) as (connection, caller):
        yield connection, await _visit_of(request, connection, caller)


@asynccontextmanager
async def group_visit(request: web.Request) -> AsyncGenerator[tuple[Connection, Caller, Group]]:
    """Give a connection, the caller, and the group that the address names.

    Raises:
        RefusedError: the group is not visible, or its packages may not be read.
    """
    async with visit(request) as (connection, caller):
        _require_packages(request)
        path = request.match_info["path"]
        group = await access.visible_group(connection, caller, path)
        if group.path.lower() != path.lower():
            # Over the API a group can be named by its number; in the address of a page, a number is a name.
            raise GroupNotFoundError
        access.require_group_read(caller, group)
        _note_place(request, caller, group, f"/groups/{group.path}")
        yield connection, caller, group


@asynccontextmanager
async def administration_visit(request: web.Request) -> AsyncGenerator[Connection]:
    """Give a connection to an administrator.

    Raises:
        PageNotFoundError: the caller is none; the page is as if it were not there.
    """
    async with visit(request) as (connection, caller):
        if not caller.is_admin:
            raise PageNotFoundError
        yield connection


def may_see_directory(caller: Caller, place: Project | Group) -> bool:
    """Return whether the caller may see all roles and rules of a place: its maintainers may, and administrators."""
    return access.level_in(caller, place) >= access.LEVEL_TO_UNDO


def may_know_quotas(level: AccessLevel) -> bool:
    """Return whether a caller of that level sees quotas: those who may publish do."""
    return level >= AccessLevel.DEVELOPER


def may_manage_hooks(caller: Caller, place: Project | Group) -> bool:
    """Return whether the caller manages the webhooks of a place: maintainers of a project, owners of a group."""
    least = AccessLevel.OWNER if isinstance(place, Group) else AccessLevel.MAINTAINER
    return caller.credential is not None and access.level_in(caller, place) >= least


def may_write_rules(caller: Caller, place: Project | Group) -> bool:
    """Return whether the caller writes the retention rules of a place: as with webhooks."""
    return may_manage_hooks(caller, place)


async def sent_form(request: web.Request) -> tuple[Caller, MultiMapping[str]]:
    """Return the caller who sent a form of ours, and its fields.

    Raises:
        ForeignFormError: it was not sent from a page of ours.
        SignInFirstError: its sender is not signed in any more.
        InsufficientScopeError: the session may only read.
    """
    fields = await forms.read_fields(request)
    async with visit(request) as (_, caller):
        pass
    if caller.credential is None:
        raise SignInFirstError
    forms.check_token(fields, request[FORM_TOKEN])
    if not caller.scopes & WRITING_SCOPES:
        raise InsufficientScopeError
    return caller, fields


async def project_to_change(request: web.Request, caller: Caller, level: AccessLevel) -> Visit:
    """Return the visit of the project that the address of a form names.

    Raises:
        RefusedError: the project is not visible, or the caller has not that level there.
    """
    async with request.app[CONTEXT].database.connection() as connection:
        found = await _visit_of(request, connection, caller)
        await access.require_level(connection, caller, found.project, level)
    return found


async def find_caller(connection: Connection, request: web.Request) -> Caller:
    """Return the caller of the request's session; token and user are judged anew with each request.

    Where a proxy names a user, the first visit of a page opens a session for it.
    """
    secret, username, may_open = session_secret(request), named_user(request), begin_visit(request)
    found = await session_rows.find_session(connection, secret) if secret else None
    if may_open and username is not None and (found is None or not is_vouched(found[0], username)):
        secret = await open_named(connection, request, username) or ""
        found = await session_rows.find_session(connection, secret) if secret else None
    if found is None or not is_vouched(found[0], username):
        return ANONYMOUS
    token, is_stale = found
    try:
        caller = caller_of_token(token)
    except RefusedError:
        return ANONYMOUS
    if is_stale:
        with suppress(DatabaseReadOnlyError):
            await session_rows.note_use(connection, secret)
    request[FORM_TOKEN] = forms.token_of_session(secret)
    request[LOG_FIELDS]["user_id"] = caller.user_id
    return caller


async def _visit_of(request: web.Request, connection: Connection, caller: Caller) -> Visit:
    _require_packages(request)
    path = request.match_info["path"]
    project = await access.visible_project(connection, caller, path)
    if project.is_moved:
        raise PlaceMovedError(_moved_to(request, path, project.path))
    access.require_read(caller, project)
    _note_place(request, caller, project, f"/{project.path}")
    return Visit(caller, project)


def _note_place(request: web.Request, caller: Caller, place: Project | Group, address: str) -> None:
    rooms = list(ALL_READERS)
    rooms += ["hooks"] if may_manage_hooks(caller, place) else []
    rooms += ["retention"] if may_write_rules(caller, place) else []
    rooms += ["directory"] if may_see_directory(caller, place) else []
    request[PLACE] = (address, rooms)


def _moved_to(request: web.Request, old: str, new: str) -> str:
    path = request.path.replace(f"/{old}", f"/{new}", 1)
    return URL.build(path=path, query_string=request.rel_url.query_string).raw_path_qs


def _require_packages(request: web.Request) -> None:
    if not request.app[CONTEXT].settings.packages_enabled:
        raise PackagesDisabledError
