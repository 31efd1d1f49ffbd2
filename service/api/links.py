"""Addresses in answers."""

from aiohttp import web

from service.api.keys import CONTEXT


def external_url(request: web.Request) -> str:
    """Return the address under which clients reach us, without a slash at the end."""
    return str(request.app[CONTEXT].settings.external_url).rstrip("/")
