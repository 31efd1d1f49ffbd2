"""Sessions of users whom a proxy in front authenticates and names in a header, where the settings name such a header.

The header counts only from a trusted proxy. Such a session counts only together with the header that names its user, so
it ends with the sign-in at the proxy.
"""

import secrets
from contextlib import suppress
from typing import Final

from aiohttp import hdrs, web

from schemas.names import Credential, UserState
from service.access.rows import Token
from service.catalogue import people
from service.errors import DatabaseReadOnlyError
from service.http.addresses import is_from_proxy
from service.http.keys import CONTEXT, LOG_FIELDS
from service.http.operations import READING
from service.infra.postgres.database import Connection
from service.web.sessions import rows as session_rows
from service.web.sessions.cookies import SESSION, may_sign_in, read_cookie, set_session

_NEW_SESSION: Final = web.RequestKey("new_session", str)
"""The secret of a session that the request opened."""
_HAS_VISITED: Final = web.RequestKey("has_visited", bool)
"""Whether the caller of the request was asked for before."""
_LONGEST_NAME: Final = 255


def named_user(request: web.Request) -> str | None:
    """Return the user whom a trusted proxy names; None where it names nobody, or more than one."""
    settings = request.app[CONTEXT].settings
    if settings.sign_in_header is None or not is_from_proxy(request, settings.trusted_proxies):
        return None
    # A second value may be one that the client sent and the proxy passed on.
    names = request.headers.getall(settings.sign_in_header, [])
    name = names[0].strip() if len(names) == 1 else ""
    is_name = name.isprintable() and "," not in name and len(name) <= _LONGEST_NAME
    return name if name and is_name and may_sign_in(request) else None


def is_vouched(token: Token, username: str | None) -> bool:
    """Return whether a session with this token counts, beside the user whom the proxy names now, if any."""
    if token.kind is Credential.PROXY and username is None:
        return False
    return username is None or (token.username or "").lower() == username.lower()


def session_secret(request: web.Request) -> str:
    """Return the secret of the session that the request opened, or of its cookie; empty where there is neither."""
    return request.get(_NEW_SESSION) or read_cookie(request, SESSION)


def begin_visit(request: web.Request) -> bool:
    """Note that the caller is asked for; return whether a session may be opened: at the first visit, and for no form.

    A stream visits every few seconds. It opens no other session when its own has ended, and then ends, too.
    """
    is_first = not request.get(_HAS_VISITED, False)
    request[_HAS_VISITED] = True
    return is_first and request.method in READING


async def open_named(connection: Connection, request: web.Request, username: str) -> str | None:
    """Open a session for a known, active user and return its secret; None for other users."""
    user = await people.find_by_username(connection, username)
    if user is None or user.state is not UserState.ACTIVE:
        request[LOG_FIELDS]["refused_user"] = username
        return None
    secret = secrets.token_urlsafe(32)
    with suppress(DatabaseReadOnlyError):
        await session_rows.open_session(connection, secret, user_id=user.id, token_id=None)
        request[_NEW_SESSION] = secret
        return secret
    return None


async def hand_out_session(request: web.Request, response: web.StreamResponse) -> None:
    """Set the cookie of a session that the request opened, before the fields of the answer are sent."""
    secret = request.get(_NEW_SESSION)
    if secret:
        # The cookies of the answer are among its fields already, so this one becomes a field, too.
        cookie = web.Response()
        set_session(request, cookie, secret)
        response.headers.extend((hdrs.SET_COOKIE, each.OutputString()) for each in cookie.cookies.values())
