"""The kind of answer that a client prefers."""

from typing import Final

from aiohttp import hdrs, web

_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})
_MOST: Final = 50
"""Media ranges of one header that are read."""


def prefers_html(request: web.Request) -> bool:
    """Return whether the client names HTML, and prefers no other type to it (RFC 9110, section 12.5.1).

    `*/*` alone, as curl sends it, names nothing: such a client gets what it got before there were pages.
    """
    wanted = 0.0
    others = 0.0
    for part in ",".join(request.headers.getall(hdrs.ACCEPT, [])).split(",")[:_MOST]:
        media, _, parameters = part.partition(";")
        weight = _weight(parameters)
        if media.strip().lower() in _HTML:
            wanted = max(wanted, weight)
        elif "*" not in media and media.strip().lower() == "application/json":
            others = max(others, weight)
    return wanted > others


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
