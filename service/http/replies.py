"""Answers: JSON whose Content-Type has no charset, as GitLab's clients know it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from aiohttp import web
from pydantic import BaseModel
from pydantic_core import to_json

_JSON: Final = "application/json"

COMMON_HEADERS: Final = MappingProxyType(
    {"X-Frame-Options": "SAMEORIGIN", "X-Content-Type-Options": "nosniff", "Server": "packyard"}
)
"""Headers of every answer."""


class JsonText(str):
    """JSON that is written already."""

    __slots__ = ()


def reply(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with JSON; of a resource, only the keys that were set."""
    written = body.encode() if isinstance(body, JsonText) else to_json(dumped(body))
    return web.Response(body=written, status=status, headers={**(headers or {}), "Content-Type": _JSON})


def reply_text(text: str, *, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with plain text."""
    return web.Response(text=text, status=status, headers=headers)


def no_content(headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer 204."""
    return web.Response(status=204, headers=headers)


def dumped(body: object) -> object:
    """Return the JSON value of a resource, or of a list of them."""
    if isinstance(body, BaseModel):
        return body.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if isinstance(body, Sequence) and not isinstance(body, str):
        return [dumped(element) for element in body]
    return body
