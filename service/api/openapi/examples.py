"""An example of what a schema describes, made from the schema itself."""

from types import MappingProxyType
from typing import Final

from schemas.base import Json

_REFERENCE: Final = "#/components/schemas/"
_MOMENT: Final = "2022-04-22T08:15:30.000Z"
_UUID: Final = "018059e5-2c60-7cc1-9b1e-6f3a1d0c5b42"
_DIGESTS: Final = MappingProxyType(
    {
        "file_md5": "d41d8cd98f00b204e9800998ecf8427e",
        "file_sha1": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "file_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sha": "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    }
)
_TEXTS: Final = MappingProxyType(
    {
        "name": "anvil",
        "version": "1.0.0",
        "username": "alice",
        "path": "anvil",
        "ref": "main",
        "status": "success",
        "source": "push",
        "state": "active",
        "file_name": "anvil-1.0.0.tgz",
        "web_path": "/acme/anvil/-/packages/1",
        "delete_api_path": "https://yard.example.com/api/v4/projects/1/packages/1",
        "full_path": "acme/anvil",
        "full_name": "Acme / Anvil",
        "project_path": "acme/anvil",
        "path_with_namespace": "acme/anvil",
        "name_with_namespace": "Acme / Anvil",
        "message": "201 Created",
        "package": "https://yard.example.com/api/v4/projects/1/packages/1",
        **_DIGESTS,
    }
)


def example_of(schema: Json, definitions: Json, name: str = "") -> object:
    """Return a value that fits the schema; *name* is its key."""
    match schema:
        case {"$ref": str(reference)}:
            example = example_of(definitions[reference.removeprefix(_REFERENCE)], definitions, name)
        case {"examples": [example, *_]} | {"enum": [example, *_]} | {"const": example}:
            pass
        case {"anyOf": [choice, *_]} | {"oneOf": [choice, *_]}:
            example = example_of(choice, definitions, name)
        case {"type": "object"}:
            properties = schema.get("properties", {})
            example = {key: example_of(found, definitions, key) for key, found in properties.items()}
        case {"type": "array"}:
            example = [example_of(schema["items"], definitions, name)] if schema.get("items") else []
        case _:
            example = _scalar(schema, name)
    return example


def _scalar(schema: Json, name: str) -> object:
    match schema:
        case {"type": "integer" | "number"}:
            example: object = 1
        case {"type": "boolean"}:
            example = True
        case {"format": "date-time"}:
            example = _MOMENT
        case {"format": "uuid"}:
            example = _UUID
        case {"format": "date"}:
            example = _MOMENT[:10]
        case {"type": "string"}:
            is_address = name.endswith("url") or name == "self"
            example = _TEXTS.get(name, "https://yard.example.com/acme/anvil" if is_address else "text")
        case _:
            example = None
    return example
