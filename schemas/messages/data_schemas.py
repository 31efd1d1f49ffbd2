"""JSON schemas of the data of events, each under the name that `dataschema` has."""

from pydantic import TypeAdapter

from schemas.base import Json
from schemas.messages.event import Event
from schemas.messages.events import EVENTS


def data_schemas() -> dict[str, Json]:
    """Return the schemas of all types of events. They allow fields that later versions may send."""
    return {kind.schema_name(): _schema(kind) for kind in EVENTS}


def _schema(kind: type[Event]) -> Json:
    found = TypeAdapter(kind).json_schema(mode="validation")
    opened = opened_schema(found)
    if not isinstance(opened, dict):
        raise TypeError("a schema of an object is an object")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": kind.schema_name(), **opened}


def opened_schema(schema: object) -> object:
    """Allow more fields than this version knows: a reader that validates must not refuse fields of later versions."""
    if isinstance(schema, list):
        return [opened_schema(element) for element in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: opened_schema(value) for key, value in schema.items() if (key, value) != ("additionalProperties", False)
    }
