"""The feed over HTTP, as a part of the AsyncAPI document."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from schemas.base import Json

_BINDING_VERSION: Final = "0.3.0"
_FORMS: Final = (
    "`Accept` chooses `application/cloudevents-batch+json`, `application/x-ndjson` or `text/event-stream`."
    " A server-sent event has `id: <sequence>`, `event: <type>` and `data: <CloudEvent>`. The field `error` is for"
    " maintainers, and absent for others."
)

FEEDS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "projectFeed": ("/api/v4/projects/{id}/package_events", "Events of one project."),
        "groupFeed": ("/api/v4/groups/{id}/package_events", "Events of the projects that are below a group now."),
        "feed": ("/api/v4/package_events", "Events of all projects that the caller may read."),
    }
)
"""Name of a channel -> its address and what it has."""

TOKEN_SCHEME: Final[Json] = {"type": "httpApiKey", "name": "PRIVATE-TOKEN", "in": "header"}


def feed_servers() -> Json:
    """Return the server of the feed."""
    return {
        "http": {
            "host": "{host}:{port}",
            "protocol": "http",
            "description": "The API. Public projects need no token, except to wait or to stream.",
            "variables": {"host": {"default": "localhost"}, "port": {"default": "8080"}},
            "security": [{"$ref": "#/components/securitySchemes/token"}],
        }
    }


def feed_channels(messages: Json) -> Json:
    """Return the channels; each may have all of the *messages*."""
    return {name: _channel(address, text, messages) for name, (address, text) in FEEDS.items()}


def feed_operations() -> Json:
    """Return the operations, which a client begins by a GET."""
    return {
        name: {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "summary": text,
            "bindings": {"http": {"method": "GET", "bindingVersion": _BINDING_VERSION}},
        }
        for name, (_, text) in FEEDS.items()
    }


def _channel(address: str, text: str, messages: Json) -> Json:
    channel: Json = {
        "address": address,
        "description": f"{text} {_FORMS}",
        "servers": [{"$ref": "#/servers/http"}],
        "messages": messages,
    }
    if "{id}" in address:
        channel["parameters"] = {"id": {"description": "The number, or the full path, percent-encoded."}}
    return channel
