"""The schema of the chart's value `settings`, made from the settings of the code."""

import re
from collections.abc import Mapping
from typing import Any, Final

from service.settings import Settings

PLACES: Final[Mapping[str, str]] = {
    "database_url": "database",
    "broker_url": "broker",
    "management_url": "broker",
    "storage_url": "storage.url",
    "secret_keys": "webhooks",
    "external_url": "externalUrl",
    "drain": "api.drain",
    "finish_within": "api.terminationGracePeriodSeconds",
    "port": "(8080)",
    "health_port": "(9090)",
}
"""Settings with a value of their own in the chart, or a fixed one; given twice, one of the two would be lost."""

_DESCRIPTION: Final = (
    "Settings for every process, by their name without `PACKYARD_`, such as `GRACE_PERIOD: 7d`; `packyard settings` "
    "lists them. No secrets: the manifests show them."
)
_NARROWER: Final[Mapping[str, Mapping[str, object]]] = {"host": {"pattern": r"^(.*,)? *(::|0\.0\.0\.0) *(,.*)?$"}}
"""Rules beyond those of the setting: probes come to the address of the pod itself."""
_DIGITS: Final = "^[0-9]+$"
_DURATION: Final = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)?$"


def settings_schema() -> dict[str, Any]:
    """Return the JSON Schema of `settings`: each setting that has no place of its own, with its type and meaning."""
    known = Settings.model_json_schema()
    properties = {
        name.upper(): {
            "description": _plain(schema.get("description", "")),
            **_values(schema, known["$defs"]),
            **_NARROWER.get(name, {}),
        }
        for name, schema in known["properties"].items()
        if name not in PLACES
    }
    return {
        "description": _DESCRIPTION,
        "type": "object",
        "additionalProperties": False,
        "properties": dict(sorted(properties.items())),
    }


def _values(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a values file may hold for a setting: YAML's own type, or the text that a variable would hold."""
    if "anyOf" in schema:
        choices = [_values(choice, definitions) for choice in schema["anyOf"] if choice.get("type") != "null"]
        return choices[0] if len(choices) == 1 else {"anyOf": choices}
    bounds = {name: schema[name] for name in ("minimum", "maximum") if name in schema}
    found: dict[str, Any] = {"type": "string", "minLength": 1}
    match schema:
        case {"$ref": place}:
            found = {"enum": definitions[place.rpartition("/")[2]]["enum"]}
        case {"type": "boolean"}:
            found = {"enum": [True, False, "true", "false"]}
        case {"type": "integer"}:
            found = {"anyOf": [{"type": "integer", **bounds}, {"type": "string", "pattern": _DIGITS}]}
        case {"format": "duration"}:
            found = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": _DURATION}]}
        case {"pattern": pattern}:
            found = {"type": "string", "pattern": pattern}
        case _:
            pass
    return found


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)
