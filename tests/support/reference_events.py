"""The reference of events, made from their AsyncAPI document."""

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any, Final

from schemas.messages.document import event_document
from schemas.messages.event import Event
from schemas.messages.events import EVENTS
from tests.support.tables import table

_ENVELOPE: Final = "CloudEvent"


def events() -> str:
    """Return a section for each event, and one for the attributes that all of them have."""
    document = event_document(version("packyard"))
    shapes = document["components"]["schemas"]
    messages = {message["name"]: message for message in document["components"]["messages"].values()}
    sections = ["## Attributes of every event", _fields(shapes[_ENVELOPE], shapes)]
    for kind in EVENTS:
        sections += _section(kind, shapes[kind.__name__], messages[kind.type_name()], shapes)
    return "\n\n".join(sections)


def _section(
    kind: type[Event], shape: Mapping[str, Any], message: Mapping[str, Any], shapes: Mapping[str, Any]
) -> Iterator[str]:
    yield f"## `{kind.topic()}`"
    yield message["summary"]
    key = ".".join([kind.topic(), *(f"<{part}>" for part in kind.key_parts)])
    yield f"Type `{kind.type_name()}`, routing key `{key}`."
    yield _fields(shape, shapes)
    yield f"```json\n{json.dumps(message['examples'][0]['payload']['data'], indent=2)}\n```"


def _fields(shape: Mapping[str, Any], shapes: Mapping[str, Any]) -> str:
    required = set(shape.get("required", ()))
    return table(
        ("field", "type", "meaning"),
        (
            (f"`{name}`", type_of(field) + ("" if name in required else ", optional"), _meaning(field, shapes))
            for name, field in shape["properties"].items()
        ),
    )


def type_of(schema: Mapping[str, Any]) -> str:
    """Return what a schema's values are, in a few words."""
    options = schema.get("anyOf", schema.get("oneOf"))
    if options:
        found = " or ".join(dict.fromkeys(map(type_of, options)))
    elif schema.get("type") == "array" and "items" in schema:
        found = f"list of {type_of(schema['items'])}"
    elif "$ref" in schema:
        found = f"`{schema['$ref'].rpartition('/')[2]}`"
    elif "const" in schema:
        found = f"`{json.dumps(schema['const'])}`"
    elif "enum" in schema:
        found = " or ".join(f"`{value}`" for value in schema["enum"])
    else:
        found = _simple_type(schema)
    return found


def _simple_type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("format", schema.get("type", "any"))
    return kind if isinstance(kind, str) else " or ".join(kind)


def _meaning(field: Mapping[str, Any], shapes: Mapping[str, Any]) -> str:
    shape = shapes.get(str(field.get("$ref", "")).rpartition("/")[2], {})
    return str(field.get("description", shape.get("description", "")))
