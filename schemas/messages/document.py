"""The AsyncAPI document of the events, made from the classes that they are sent as."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from schemas.base import Json
from schemas.json_schemas import Schemas, reference
from schemas.messages.cloud_events import CONTENT_TYPE, HEADER_PREFIX, CloudEvent, headers
from schemas.messages.data_schemas import opened_schema
from schemas.messages.event import Event
from schemas.messages.events import EVENTS, DeletionEvent, StorageChecked
from schemas.messages.examples import example_body, example_fact
from schemas.messages.http_channels import TOKEN_SCHEME, http_channels, http_operations, http_servers
from schemas.messages.publications import PublicationEvent
from schemas.messages.quota_events import QuotaExceeded
from schemas.messages.retention_events import RetentionEvent
from schemas.messages.topology import EVENTS_EXCHANGE, EVENTS_LOG, EXCHANGES, QUEUES
from schemas.messages.webhook_events import WebhookEvent

_BINDING_VERSION: Final = "0.3.0"
_PERSISTENT: Final = 2
_BROKER: Final = ({"$ref": "#/servers/plain"}, {"$ref": "#/servers/encrypted"})
_HEADERS: Final = "CloudEventHeaders"
_DESCRIPTION: Final = """\
Packyard publishes events of uploads, of deletions, of runs of rules and of its storage: CloudEvents 1.0 as JSON.
Headers repeat the attributes.

Bind a queue of your own to the exchange with the routing keys that you want. Or read the log from any moment of the
last days. Or read a feed over HTTP. Or let a webhook post the events to you.

Every committed change gives its event at least once, always with the same `id` and the same bytes. Drop
events that you have seen, by `source` and `id`, and events that are older than your state, by `aggversion`. New
optional fields may come, so ignore fields that you do not know. A breaking change gets another version in the type.

The AMQP properties repeat some attributes: `message-id` is `id`, `type` is `type`, `correlation-id` is `correlationid`;
`app-id` is `packyard`.\
"""
_CHANNELS: Final[Mapping[str, tuple[type[Event], str]]] = MappingProxyType(
    {
        "publications": (PublicationEvent, "Uploads of packages and files; imports where these ask for it."),
        "deletions": (DeletionEvent, "Deletions of packages and files, step by step."),
        "storage": (StorageChecked, "The findings of a check of the storage."),
        "webhooks": (WebhookEvent, "Webhooks that skipped an event, or were disabled. No webhook carries them."),
        "quotas": (QuotaExceeded, "Quotas of projects and groups of which 80 or 100 percent are used."),
        "retention": (RetentionEvent, "Runs of retention rules, one event for each project of a run."),
    }
)
"""Each channel has the events of one base class; their routing keys begin alike."""
_DELIVERED: Final = tuple(kind for kind in EVENTS if kind.entity in {"package", "package_file"})
"""The events that webhooks carry."""


def event_document(version: str) -> Json:
    """Return the document (AsyncAPI 3.0) of everything that subscribers of that version may hear."""
    schemas = Schemas()
    messages = {_message_name(kind): _message(kind, schemas) for kind in EVENTS}
    broker_channels = _broker_channels(schemas)
    schemas.of(CloudEvent, "validation")
    schemas.definitions[_HEADERS] = _headers(schemas.definitions[CloudEvent.__name__])
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Packyard",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "MIT"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {"plain": _server("amqp", 5_672), "encrypted": _server("amqps", 5_671), **http_servers()},
        "channels": broker_channels | http_channels(_messages(EVENTS), _messages(_DELIVERED)),
        "operations": {name: _operation(name, channel) for name, channel in broker_channels.items()}
        | http_operations(),
        "components": _components(schemas, messages),
    }


def _components(schemas: Schemas, messages: Mapping[str, Json]) -> Json:
    return {
        "schemas": {name: opened_schema(schema) for name, schema in sorted(schemas.definitions.items())},
        "messages": messages,
        "correlationIds": {
            "correlation": {
                "description": "The upload, the deletion, the check, the run, or the event that a webhook was sent.",
                "location": f"$message.header#/{HEADER_PREFIX}correlationid",
            }
        },
        "securitySchemes": {"password": {"type": "userPassword"}, "token": TOKEN_SCHEME},
    }


def _server(protocol: str, port: int) -> Json:
    return {
        "host": "{host}:{port}",
        "pathname": "/{virtualHost}",
        "protocol": protocol,
        "protocolVersion": "0.9.1",
        "description": "The broker that `PACKYARD_BROKER_URL` names.",
        "variables": {
            "host": {"default": "localhost"},
            "port": {"default": str(port)},
            "virtualHost": {"default": "%2F", "description": "Percent-encoded."},
        },
        "security": [{"$ref": "#/components/securitySchemes/password"}],
    }


def _broker_channels(schemas: Schemas) -> Json:
    return {
        name: _exchange_channel([kind for kind in EVENTS if issubclass(kind, base)], description, schemas)
        for name, (base, description) in _CHANNELS.items()
    } | {"log": _log_channel()}


def _exchange_channel(kinds: Sequence[type[Event]], description: str, schemas: Schemas) -> Json:
    (exchange,) = (exchange for exchange in EXCHANGES if exchange.name == EVENTS_EXCHANGE)
    topic = kinds[0].topic() if len(kinds) == 1 else "{entity}.{action}"
    parameters = dict(_parameters(kinds, schemas))
    return {
        "address": ".".join([topic, *(f"{{{part}}}" for part in kinds[0].key_parts)]),
        "description": description,
        "messages": _messages(kinds),
        **({"parameters": parameters} if parameters else {}),
        "servers": _BROKER,
        "bindings": _bindings(
            {
                "is": "routingKey",
                "exchange": {"name": exchange.name, "type": exchange.kind, "durable": True, "autoDelete": False},
            }
        ),
    }


def _parameters(kinds: Sequence[type[Event]], schemas: Schemas) -> Iterator[tuple[str, Json]]:
    if len(kinds) > 1:
        yield "entity", {"description": "To what it happened.", "enum": _each(kind.entity for kind in kinds)}
        yield "action", {"description": "What happened.", "enum": _each(kind.action for kind in kinds)}
    properties = schemas.definitions[kinds[0].__name__]["properties"]
    for part in kinds[0].key_parts:
        schema = properties[part]
        if "$ref" in schema:
            schema = schemas.definitions[schema["$ref"].rpartition("/")[2]]
        found: Json = {"description": schema["description"], "location": f"$message.payload#/data/{part}"}
        if "enum" in schema:
            found["enum"] = schema["enum"]
        else:
            found["examples"] = [str(getattr(example_fact(kinds[0]), part))]
        yield part, found


def _log_channel() -> Json:
    (queue,) = (queue for queue in QUEUES if queue.name == EVENTS_LOG)
    return {
        "address": queue.name,
        "description": (
            "All events of the last days, as a stream. Reading removes nothing, and any number of consumers may begin"
            " at any moment (`x-stream-offset`). Each needs a prefetch and has to acknowledge."
        ),
        "messages": _messages(EVENTS),
        "servers": _BROKER,
        "bindings": _bindings(
            {"is": "queue", "queue": {"name": queue.name, "durable": True, "exclusive": False, "autoDelete": False}}
        ),
        "x-queue-arguments": dict(queue.arguments),
    }


def _operation(channel_name: str, channel: Json) -> Json:
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel_name}"},
        "summary": channel["description"],
        "messages": [{"$ref": f"#/channels/{channel_name}/messages/{name}"} for name in channel["messages"]],
        "bindings": _bindings({"deliveryMode": _PERSISTENT, "timestamp": True}),
    }


def _message(kind: type[Event], schemas: Schemas) -> Json:
    body = example_body(kind)
    types = {"type": {"const": kind.type_name()}, "dataschema": {"const": kind.schema_name()}}
    payload = f"{kind.__name__}Event"
    # Under a name, since generators of code call their classes by it.
    schemas.definitions[payload] = _narrowed(CloudEvent.__name__, {**types, "data": schemas.of(kind, "validation")})
    return {
        "name": kind.type_name(),
        "title": kind.__name__,
        "summary": (kind.__doc__ or "").partition("\n")[0],
        "contentType": CONTENT_TYPE,
        "correlationId": {"$ref": "#/components/correlationIds/correlation"},
        "headers": _narrowed(_HEADERS, {f"{HEADER_PREFIX}{name}": schema for name, schema in types.items()}),
        "payload": reference(payload),
        "bindings": _bindings({"messageType": kind.type_name()}),
        "examples": [{"name": kind.topic(), "headers": headers(body), "payload": body}],
    }


def _narrowed(name: str, properties: Json) -> Json:
    return {"type": "object", "allOf": [reference(name), {"type": "object", "properties": properties}]}


def _headers(cloud_event: Json) -> Json:
    """Return the schema of the headers of what has that schema."""
    return {
        "description": "The attributes of the CloudEvent; the body has the same.",
        "type": "object",
        "properties": headers(cloud_event["properties"]),
        "required": [*headers(dict.fromkeys(cloud_event["required"]))],
    }


def _message_name(kind: type[Event]) -> str:
    return kind.__name__[0].lower() + kind.__name__[1:]


def _messages(kinds: Sequence[type[Event]]) -> Json:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in map(_message_name, kinds)}


def _bindings(amqp: Mapping[str, object]) -> Json:
    return {"amqp": {**amqp, "bindingVersion": _BINDING_VERSION}}


def _each(words: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(words))
