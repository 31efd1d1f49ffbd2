"""The cookies of the pages: their names, and where they may be set at all."""

from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from service.http.addresses import external_url
from service.ip_addresses import read_address
from service.web.sessions.rows import LONGEST

SESSION: Final = "packyard"
FORM: Final = "packyard-form"
FORM_LASTS_S: Final = 3_600
"""How long a page for signing in can be sent after it was shown."""

_HOST_ONLY: Final = "__Host-"
_LOCAL: Final = "localhost"


def is_secure(request: web.Request) -> bool:
    """Return whether clients reach us by https."""
    return external_url(request).startswith("https://")


def may_sign_in(request: web.Request) -> bool:
    """Return whether a token may be typed in here: over https, or on this machine alone."""
    is_local = all(_is_loopback(address) for address in (external_url(request), f"//{request.headers.get('Host', '')}"))
    return is_secure(request) or is_local


def read_cookie(request: web.Request, name: str) -> str:
    """Return the value of one of our cookies; empty where there is none."""
    return request.cookies.get(_full_name(request, name), "")


def set_cookie(request: web.Request, response: web.StreamResponse, name: str, value: str, *, lasts_s: int) -> None:
    """Set one of our cookies: no script can read it, and no other site's form sends it."""
    response.set_cookie(
        _full_name(request, name),
        value,
        max_age=lasts_s,
        path="/",
        httponly=True,
        secure=is_secure(request),
        samesite="Lax",
    )


def set_session(request: web.Request, response: web.StreamResponse, secret: str) -> None:
    """Set the cookie of a session."""
    set_cookie(request, response, SESSION, secret, lasts_s=int(LONGEST.total_seconds()))


def drop_session_cookie(request: web.Request, response: web.StreamResponse) -> None:
    """Let the browser forget the cookie of the session."""
    set_cookie(request, response, SESSION, "", lasts_s=0)


def _full_name(request: web.Request, name: str) -> str:
    return f"{_HOST_ONLY}{name}" if is_secure(request) else name


def _is_loopback(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return False
    found = read_address(host)
    return host == _LOCAL or (found is not None and found.is_loopback)
