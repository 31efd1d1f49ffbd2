"""The feed and the webhooks, both over HTTP, as parts of the AsyncAPI document."""

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

WEBHOOK_CHANNEL: Final = "webhookDeliveries"
"""The channel of the requests to receivers."""
_DELIVERIES: Final = (
    "The requests to a webhook, each with one event. The headers are those of Standard Webhooks."
    " `webhook-id` is the `id` of the event, and `webhook-timestamp` the Unix time of the attempt. `webhook-signature`"
    " is `v1,` and the HMAC-SHA256 of `<id>.<timestamp>.<body>` in base64. For a day after a rotation there are two"
    " signatures, with a blank between them. `X-Gitlab-Token` is sent if the webhook has one. In the mode `binary`"
    " the body is `data`, and the attributes are in `ce-` headers. Any 2xx in time is an acknowledgement."
)

TOKEN_SCHEME: Final[Json] = {"type": "httpApiKey", "name": "PRIVATE-TOKEN", "in": "header"}


def http_servers() -> Json:
    """Return the server of the feed, and that of a receiver."""
    return {
        "receiver": {
            "host": "{receiver}",
            "protocol": "https",
            "description": "A receiver, at the URL of its webhook; with http inside allowed networks.",
            "variables": {"receiver": {"default": "receiver.example.com"}},
        },
        "http": {
            "host": "{host}:{port}",
            "protocol": "http",
            "description": "The API. Public projects need no token, except to wait or to stream.",
            "variables": {"host": {"default": "localhost"}, "port": {"default": "8080"}},
            "security": [{"$ref": "#/components/securitySchemes/token"}],
        },
    }


def http_channels(messages: Json, delivered: Json) -> Json:
    """Return the channels; each feed may have all of the *messages*, and webhooks those that are *delivered*."""
    feeds = {name: _channel(address, text, messages) for name, (address, text) in FEEDS.items()}
    webhooks = {
        "address": None,
        "description": _DELIVERIES,
        "servers": [{"$ref": "#/servers/receiver"}],
        "messages": delivered,
    }
    return {**feeds, WEBHOOK_CHANNEL: webhooks}


def http_operations() -> Json:
    """Return the operations: a client begins a feed by a GET, and a webhook gets a POST."""
    feeds = {name: _operation(name, text, "GET") for name, (_, text) in FEEDS.items()}
    return {**feeds, WEBHOOK_CHANNEL: _operation(WEBHOOK_CHANNEL, "Deliver an event to a webhook.", "POST")}


def _operation(channel: str, summary: str, method: str) -> Json:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "bindings": {"http": {"method": method, "bindingVersion": _BINDING_VERSION}},
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
