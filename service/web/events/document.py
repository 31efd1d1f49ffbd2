"""The document of the events as a page shows it: each kind of event with its fields and an example."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from schemas.messages.document import event_document


@dataclass(frozen=True, slots=True)
class EventField:
    """A field of the data of an event."""

    name: str
    kind: str
    is_required: bool
    description: str


@dataclass(frozen=True, slots=True)
class EventKind:
    """A kind of event."""

    type: str
    topic: str
    """The first two words of its routing key, such as `package.destroyed`."""
    summary: str
    fields: Sequence[EventField]
    example: str
    """A whole event, as JSON."""


@dataclass(frozen=True, slots=True)
class EventChannel:
    """Kinds of events that belong together, with the pattern of their routing keys."""

    description: str
    address: str
    kinds: Sequence[EventKind]


@cache
def event_channels() -> tuple[str, Sequence[EventChannel]]:
    """Return the introduction of the document, and its channels."""
    document = event_document(version("packyard"))
    schemas, messages = document["components"]["schemas"], document["components"]["messages"]
    described: set[str] = set()
    channels: list[EventChannel] = []
    for channel in document["channels"].values():
        # The log has the kinds of all other channels once more.
        names = [name for name in channel["messages"] if name not in described]
        described.update(names)
        kinds = [_kind(messages[name], schemas) for name in names]
        channels.append(EventChannel(channel.get("description", ""), channel["address"], kinds))
    return document["info"]["description"], channels


def _kind(message: Mapping[str, Any], schemas: Mapping[str, Any]) -> EventKind:
    payload = _resolved(message["payload"], schemas)
    data = _resolved(_property(payload, "data", schemas), schemas)
    required = set(data.get("required", ()))
    fields = [
        EventField(name, _type_of(field, schemas), name in required, _description(field, schemas))
        for name, field in data.get("properties", {}).items()
    ]
    example = json.dumps(message["examples"][0]["payload"], indent=2, ensure_ascii=False)
    topic = message["name"].removeprefix("io.packyard.").rpartition(".")[0]
    return EventKind(message["name"], topic, message.get("summary", ""), fields, example)


def _property(schema: Mapping[str, Any], name: str, schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a property of a schema, or of one that it is composed of."""
    if name in schema.get("properties", {}):
        found: Mapping[str, Any] = schema["properties"][name]
        return found
    # The last part is the most special one.
    for part in reversed(schema.get("allOf", ())):
        if found := _property(_resolved(part, schemas), name, schemas):
            return found
    return {}


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return schema


def _description(field: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    return str(field.get("description") or _resolved(field, schemas).get("description", ""))


def _type_of(field: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """Return the type of a field in a few words, such as `integer or null`."""
    if options := field.get("anyOf"):
        return " or ".join(_type_of(option, schemas) for option in options)
    found = _resolved(field, schemas)
    if found.get("type") == "array":
        return f"list of {_type_of(found.get('items', {}), schemas)}"
    if "enum" in found:
        return ", ".join(map(str, found["enum"])) if "description" not in found else str(found.get("type", "string"))
    return str(found.get("format") or found.get("type") or found.get("const") or "any")
