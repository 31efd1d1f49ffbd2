"""JSON schemas of models, as a document has them that keeps all of them in one place."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from typing_extensions import override

from schemas.base import Json, Query

_REFERENCE: Final = "#/components/schemas/{model}"
_BOUNDS: Final = MappingProxyType({"ge": "minimum", "le": "maximum"})


def reference(name: str) -> Json:
    """Return the reference that the rest of the document uses for the schema of that name."""
    return {"$ref": _REFERENCE.format(model=name)}


class Schemas:
    """The schemas of all models met so far; they refer to each other by name."""

    def __init__(self) -> None:
        self.definitions: dict[str, Json] = {}

    def of(self, shape: Any, mode: JsonSchemaMode) -> Json:
        """Return the schema of a type; that of a model is kept, and a reference to it is returned."""
        generator = _Generator if mode == "serialization" else GenerateJsonSchema
        schema = TypeAdapter(shape).json_schema(
            mode=mode, by_alias=True, ref_template=_REFERENCE, schema_generator=generator
        )
        self.definitions |= {_public(name): _tidy(found) for name, found in schema.pop("$defs", {}).items()}
        if isinstance(shape, type) and issubclass(shape, BaseModel) and not issubclass(shape, Query):
            name = _public(shape.__name__)
            self.definitions[name] = _tidy(schema)
            return reference(name)
        tidy: Json = _tidy(schema)
        return tidy


class _Generator(GenerateJsonSchema):
    """A key that is left out has no default that a reader would see."""

    @override
    def default_schema(self, schema: Any) -> Json:
        return self.generate_inner(schema["schema"])


def _public(name: str) -> str:
    """Return the name by which clients know the schema of a class; a resource's own class says that it is one."""
    return name.removesuffix("Resource")


def _tidy(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_tidy(element) for element in schema]
    if not isinstance(schema, dict):
        return schema
    # Bounds of what a validator reads first come under Python's names.
    bounds = {_BOUNDS[key]: value for key, value in schema.items() if key in _BOUNDS}
    # Titles repeat the names; in a mapping of properties `title` is a name itself.
    return bounds | {
        key: _properties(value) if key == "properties" else _public(value) if key == "$ref" else _tidy(value)
        for key, value in schema.items()
        if key not in _BOUNDS and not (key == "title" and isinstance(value, str))
    }


def _properties(properties: Mapping[str, Any]) -> Json:
    return {name: _tidy(schema) for name, schema in properties.items()}
