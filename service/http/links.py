"""Addresses in answers."""

import re
from typing import Final

from aiohttp import web

from service.http.addresses import client_scheme
from service.http.keys import CONTEXT
from service.http.serving.listening import local_authority, url_authority
from service.ip_addresses import read_address

_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")


def external_url(request: web.Request) -> str:
    """Return the address under which the client reaches us, without a slash at the end.

    It is the one of the settings, or else the one that the client itself used.
    """
    settings = request.app[CONTEXT].settings
    if settings.external_url is not None:
        return str(settings.external_url).rstrip("/")
    host = request.headers.get("Host", "")
    scheme = client_scheme(request, settings.trusted_proxies)
    return f"{scheme}://{host if _HOST.fullmatch(host) else _reached(request)}"


def _reached(request: web.Request) -> str:
    """Return the `address:port` of ours that the client connected to."""
    match request.get_extra_info("sockname"):
        case (str(host), int(port), *_):
            return url_authority(str(read_address(host) or host), port)
        case _:
            settings = request.app[CONTEXT].settings
            return local_authority(settings.host, settings.port)


def path_prefix(request: web.Request) -> str:
    """Return the path below which a proxy serves us, as EXTERNAL_URL names it, without a slash at its end."""
    url = request.app[CONTEXT].settings.external_url
    return ((url and url.path) or "").rstrip("/")
