"""The reference of HTTP, made from the OpenAPI document."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from service.api.openapi.document import openapi_document
from tests.support.contracts import served_operations
from tests.support.reference_events import type_of
from tests.support.tables import table

_EVERYWHERE: Final = frozenset({"304", "408", "414", "429", "431", "500", "503"})
"""Answers that the text above the generated part explains once."""


def http() -> str:
    """Return a section for each tag and operation, and one for each shape."""
    document = openapi_document(served_operations())
    sections = ["## All operations", _overview(document)]
    for tag in (tag["name"] for tag in document["tags"]):
        sections.append(f"## {tag}")
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag in operation["tags"]:
                    sections += _operation(f"{method.upper()} {path}", operation)
    sections.append("## Shapes")
    for name, shape in sorted(document["components"]["schemas"].items()):
        sections += _shape(name, shape)
    return "\n\n".join(sections)


def _overview(document: Mapping[str, Any]) -> str:
    return table(
        ("operation", "purpose"),
        (
            (f"`{method.upper()} {path}`", operation["summary"])
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ),
    )


def _operation(title: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"### `{title}`"
    yield f"{operation['summary']}."
    if "description" in operation:
        yield " ".join(operation["description"].split())
    if operation["parameters"]:
        yield table(
            ("parameter", "in", "type", "meaning"),
            (
                (f"`{found['name']}`", found["in"], _type(found["schema"]), found.get("description", ""))
                for found in operation["parameters"]
            ),
        )
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Body: `{media}`, {type_of(content['schema']) if content['schema'] else 'the bytes of the file'}."
    yield table(("answer", "body", "meaning"), _answers(operation["responses"]))


def _answers(responses: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for status, answer in sorted(responses.items()):
        if status in _EVERYWHERE:
            continue
        bodies = [type_of(content["schema"]) for content in answer.get("content", {}).values() if content["schema"]]
        yield f"`{status}`", " or ".join(dict.fromkeys(bodies)), answer["description"]


def _shape(name: str, shape: Mapping[str, Any]) -> Iterator[str]:
    yield f"### `{name}`"
    if "description" in shape:
        yield " ".join(shape["description"].split())
    if "enum" in shape:
        yield "One of " + ", ".join(f"`{value}`" for value in shape["enum"]) + "."
    elif shape.get("properties"):
        yield table(
            ("field", "type", "meaning"),
            (
                (f"`{field}`", type_of(schema), schema.get("description", ""))
                for field, schema in shape["properties"].items()
            ),
        )


def _type(schema: Mapping[str, Any]) -> str:
    default = f", `{json.dumps(schema['default'])}` by default" if schema.get("default") is not None else ""
    return type_of(schema) + default
