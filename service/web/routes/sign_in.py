"""Signing in with a personal token, and signing out."""

import secrets
from typing import Final

from aiohttp import web
from multidict import MultiMapping

from schemas.names import Credential
from service.access.callers import READING_SCOPES, Caller, PresentedToken, caller_of
from service.http.keys import CONTEXT, LOG_FIELDS
from service.infra.postgres.database import Connection
from service.refusals import ForeignFormError, RefusedError, TooManyRequestsError
from service.web.frame.rendering import FORM_TOKEN, render, see_other
from service.web.frame.routing import PageRoutes
from service.web.keys import ATTEMPTS
from service.web.sessions import forms
from service.web.sessions import rows as session_rows
from service.web.sessions.cookies import (
    FORM,
    FORM_LASTS_S,
    SESSION,
    drop_session_cookie,
    may_sign_in,
    read_cookie,
    set_cookie,
    set_session,
)
from service.web.visits import visit

routes = PageRoutes()

_PAGE: Final = "/-/sign_in"
_PERSONAL: Final = frozenset({Credential.PERSONAL_ACCESS_TOKEN})
_LONGEST_TOKEN: Final = 1_000
_OK: Final = 200
_REFUSED: Final = 422


class _RefusedSignInError(Exception):
    """Nobody is signed in, for a reason that the form shows."""

    def __init__(self, trouble: str, *, status: int = _REFUSED) -> None:
        """Keep the word for the trouble that the template knows, and the status of the answer."""
        super().__init__(trouble)
        self.trouble = trouble
        self.status = status


@routes.page(_PAGE)
async def show_sign_in(request: web.Request) -> web.Response:
    """Show the form for a token, or who is signed in."""
    async with visit(request) as (connection, caller):
        if caller.user_id is not None:
            return render(request, "signed_in.html")
        key = await session_rows.form_key(connection)
    trouble = "ended" if "ended" in request.query else ""
    return _form(request, key, trouble=trouble, return_to=_own_path(request.query.get("return_to", "")))


@routes.form(_PAGE)
async def sign_in(request: web.Request) -> web.Response:
    """Open a session for the token that was typed in."""
    fields = await forms.read_fields(request)
    return_to = _own_path(fields.get("return_to", ""))
    async with request.app[CONTEXT].database.connection() as connection:
        key = await session_rows.form_key(connection)
        try:
            caller = await _identified(request, connection, fields, key)
        except _RefusedSignInError as error:
            return _form(request, key, trouble=error.trouble, return_to=return_to, status=error.status)
        return await _opened(request, connection, caller, return_to)


@routes.form("/-/sign_out")
async def sign_out(request: web.Request) -> web.Response:
    """End the session, or with `everywhere` all sessions of the user."""
    fields = await forms.read_fields(request)
    async with visit(request) as (connection, caller):
        if caller.user_id is not None:
            forms.check_token(fields, request[FORM_TOKEN])
            if fields.get("everywhere"):
                await session_rows.close_sessions_of(connection, caller.user_id)
            else:
                await session_rows.close_session(connection, read_cookie(request, SESSION))
    answer = see_other(request, "/")
    drop_session_cookie(request, answer)
    return answer


async def _identified(request: web.Request, connection: Connection, fields: MultiMapping[str], key: bytes) -> Caller:
    if not may_sign_in(request):
        raise _RefusedSignInError("")
    try:
        forms.check_token(fields, forms.token_of_cookie(key, forms.check_cookie(request, key)))
        request.app[ATTEMPTS].check(request)
        token = fields.get("token", "").strip()[:_LONGEST_TOKEN]
        caller = await caller_of(connection, PresentedToken(token, _PERSONAL))
    except ForeignFormError:
        raise _RefusedSignInError("old") from None
    except TooManyRequestsError:
        raise _RefusedSignInError("often", status=TooManyRequestsError.status) from None
    except RefusedError:
        request.app[ATTEMPTS].note_failure(request)
        raise _RefusedSignInError("wrong") from None
    if not caller.scopes & READING_SCOPES:
        raise _RefusedSignInError("scope")
    return caller


async def _opened(request: web.Request, connection: Connection, caller: Caller, return_to: str) -> web.Response:
    secret = secrets.token_urlsafe(32)
    if old := read_cookie(request, SESSION):
        await session_rows.close_session(connection, old)
    await session_rows.open_session(connection, secret, user_id=caller.user_id or 0, token_id=caller.token_id or 0)
    request[LOG_FIELDS]["user_id"] = caller.user_id
    answer = see_other(request, return_to or "/")
    set_session(request, answer, secret)
    set_cookie(request, answer, FORM, "", lasts_s=0)
    return answer


def _form(request: web.Request, key: bytes, *, trouble: str, return_to: str, status: int = _OK) -> web.Response:
    cookie = forms.new_form_cookie(key)
    request[FORM_TOKEN] = forms.token_of_cookie(key, cookie)
    answer = render(
        request, "sign_in.html", status=status, trouble=trouble, return_to=return_to, is_safe=may_sign_in(request)
    )
    set_cookie(request, answer, FORM, cookie, lasts_s=FORM_LASTS_S)
    return answer


def _own_path(path: str) -> str:
    """Return a path of ours to return to; empty for the address of anything else."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_own and not path.startswith("/-/sign_") else ""
