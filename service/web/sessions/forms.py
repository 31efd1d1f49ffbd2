"""Forms that only our own pages can send: each POST shows where it comes from, and a token."""

import asyncio
import hmac
import secrets
import time
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from multidict import MultiMapping

from service.http.addresses import external_url
from service.http.body.forms import read_form
from service.http.keys import CONTEXT
from service.ip_addresses import read_address
from service.refusals import ForeignFormError
from service.web.sessions.cookies import FORM, FORM_LASTS_S, read_cookie

FIELD: Final = "form_token"

_SAME_SITE: Final = frozenset({"same-origin", "none"})
_LOCAL: Final = "localhost"


async def read_fields(request: web.Request) -> MultiMapping[str]:
    """Return the fields of a form that one of our pages may have sent.

    Raises:
        ForeignFormError: the browser says that another site sent it, or says nothing at all.
        web.HTTPRequestTimeout: the body does not come.
    """
    if not is_own(request):
        raise ForeignFormError
    try:
        async with asyncio.timeout(request.app[CONTEXT].settings.request_timeout.total_seconds()):
            return await read_form(request)
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


def is_own(request: web.Request) -> bool:
    """Return whether the browser says that a page of ours sent the request; one that says nothing is refused."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is None and origin is None:
        return False
    return (site is None or site in _SAME_SITE) and (origin is None or _is_own_origin(request, origin))


def token_of_session(secret: str) -> str:
    """Return the token that forms of a session carry; to make it one has to know the session's cookie."""
    return _signed(secret.encode(), "form")


def check_token(fields: MultiMapping[str], expected: str) -> None:
    """Check the token of a form.

    Raises:
        ForeignFormError: it is another one, or none.
    """
    if not hmac.compare_digest(fields.get(FIELD, "").encode("utf-8", "surrogateescape"), expected.encode()):
        raise ForeignFormError


def sign(token: str, text: str) -> str:
    """Return the signature of a text that goes with a form whose token this is."""
    return _signed(token.encode(), f"signed {text}")


def verify(token: str, text: str, signature: str) -> bool:
    """Return whether `sign` gave that signature to the text."""
    return hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), sign(token, text).encode())


def new_form_cookie(key: bytes) -> str:
    """Return a signed cookie for a caller without a session, good for an hour."""
    value = f"{int(time.time())}.{secrets.token_urlsafe(16)}"
    return f"{value}.{_signed(key, value)}"


def token_of_cookie(key: bytes, cookie: str) -> str:
    """Return the token of the forms that go with a cookie of `new_form_cookie`."""
    return _signed(key, f"form {cookie}")


def check_cookie(request: web.Request, key: bytes) -> str:
    """Return the signed cookie of a caller without a session.

    Raises:
        ForeignFormError: it is missing, too old, or not of our making.
    """
    cookie = read_cookie(request, FORM)
    value, _, signature = cookie.rpartition(".")
    issued = value.partition(".")[0]
    is_ours = hmac.compare_digest(signature.encode("utf-8", "surrogateescape"), _signed(key, value).encode())
    if not is_ours or not issued.isdecimal() or not 0 <= time.time() - int(issued) <= FORM_LASTS_S:
        raise ForeignFormError
    return cookie


def _is_own_origin(request: web.Request, origin: str) -> bool:
    if request.app[CONTEXT].settings.external_url is None:
        # Without a setting, the address is the one that the browser itself used; a proxy may have changed the scheme.
        return origin.partition("://")[2].lower() == request.headers.get("Host", "").lower()
    return _origin(origin) == _origin(external_url(request))


def _origin(address: str) -> tuple[str, str, int | None] | None:
    try:
        parts = urlsplit(address)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return None
    host = parts.hostname or ""
    found = read_address(host)
    # Names of this machine are the same to its user: localhost and 127.0.0.1.
    return parts.scheme, _LOCAL if found is not None and found.is_loopback else host, port


def _signed(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode("utf-8", "surrogateescape"), sha256).hexdigest()
