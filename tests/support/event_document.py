"""The document of the events, read as a subscriber would who knows nothing but it."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import jsonschema_rs

from tests.support.paths import ROOT

DOCUMENT_FILE: Final = ROOT / "schemas" / "messages" / "asyncapi.json"

_PAYLOAD: Final = "$message.payload#/"


def read_document() -> dict[str, Any]:
    """Return the document in the repository."""
    document: dict[str, Any] = json.loads(DOCUMENT_FILE.read_text(encoding="utf-8"))
    return document


class Description:
    """The document's schema of messages; *is_closed*: of all that they may hold, so that nothing else passes."""

    def __init__(self, document: Mapping[str, Any], *, is_closed: bool = False) -> None:
        self.messages: dict[str, Any] = {m["name"]: m for m in document["components"]["messages"].values()}
        self._document = document
        schemas = document["components"]["schemas"]
        if is_closed:
            schemas = {name: _closed(schema) for name, schema in schemas.items()}
        self._validators = {
            (name, part): _validator({**message[part], "components": {"schemas": schemas}})
            for name, message in self.messages.items()
            for part in ("headers", "payload")
        }

    def faults(self, name: str, part: str, value: Any) -> list[str]:
        """Return what is wrong with the headers or the payload of a message of that name."""
        found = self._validators[name, part].iter_errors(value)
        return [f"{part} of {name}, {'/'.join(map(str, error.instance_path))}: {error.message}" for error in found]

    def channel_of(self, routing_key: str, body: Mapping[str, Any]) -> str | None:
        """Return the channel that the message goes to, if there is one and its address agrees with the body."""
        for name, channel in self._document["channels"].items():
            if channel.get("bindings", {}).get("amqp", {}).get("is") == "routingKey":
                parts = re.fullmatch(_pattern(channel), routing_key)
                if parts and _agrees(channel, parts.groupdict(), body):
                    return str(name)
        return None

    def names_in(self, channel: str) -> set[str]:
        """Return the messages of a channel."""
        references = self._document["channels"][channel]["messages"].values()
        by_id = self._document["components"]["messages"]
        return {by_id[reference["$ref"].rpartition("/")[2]]["name"] for reference in references}


def _validator(schema: dict[str, Any]) -> jsonschema_rs.Draft7Validator:
    return jsonschema_rs.Draft7Validator(schema, validate_formats=True, formats={"uuid": _is_uuid})


def _is_uuid(text: str) -> bool:
    return str(UUID(text)) == text


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "additionalProperties": False} if "properties" in schema else schema


def _pattern(channel: Mapping[str, Any]) -> str:
    pieces = re.split(r"\{(\w+)\}", channel["address"])
    pattern = re.escape(pieces[0])
    for name, after in zip(pieces[1::2], pieces[2::2], strict=True):
        words = channel["parameters"][name].get("enum")
        pattern += f"(?P<{name}>{'|'.join(words) if words else '[^.]+'}){re.escape(after)}"
    return pattern


def _agrees(channel: Mapping[str, Any], values: Mapping[str, str], body: Mapping[str, Any]) -> bool:
    for name, value in values.items():
        location = channel["parameters"][name].get("location")
        if location:
            found: Any = body
            for key in location.removeprefix(_PAYLOAD).split("/"):
                found = found[key]
            # The quota of a group is about any of its projects.
            if str("any" if found is None else found) != value:
                return False
    return True
