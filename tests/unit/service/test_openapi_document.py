"""The OpenAPI document: all that can be judged without a server."""

import re
from typing import Any

import jsonschema_rs
import pytest

from service.api.openapi.document import openapi_document
from service.app import ROUTES
from tests.support.contracts import served_operations

_DOCUMENT = openapi_document(served_operations())


def _answers() -> list[Any]:
    return [
        pytest.param(content, id=f"{method} {path} {status}")
        for path, methods in _DOCUMENT["paths"].items()
        for method, operation in methods.items()
        for status, answer in operation["responses"].items()
        for content in answer.get("content", {}).values()
    ]


def test_every_route_is_in_the_document_but_the_hidden_ones() -> None:
    documented = {(method.upper(), path) for path, methods in _DOCUMENT["paths"].items() for method in methods}
    served = {
        (operation.method, re.sub(r"\{(\w+):[^{}]*\}", r"{\1}", operation.path))
        for routes in ROUTES
        for operation in routes.operations
        if not operation.is_hidden
    }

    assert documented == served


@pytest.mark.parametrize("content", _answers())
def test_every_example_fits_its_schema(content: dict[str, Any]) -> None:
    examples = [content["example"]] if "example" in content else []
    examples += [example["value"] for example in content.get("examples", {}).values()]
    schema = {**content["schema"], "components": _DOCUMENT["components"]}

    for example in examples:
        jsonschema_rs.validate(schema, example)


def test_every_operation_has_a_name_of_its_own_and_a_summary() -> None:
    operations = [operation for methods in _DOCUMENT["paths"].values() for operation in methods.values()]

    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"] for operation in operations)


def test_parameters_are_those_that_the_handlers_read() -> None:
    listing = _DOCUMENT["paths"]["/api/v4/groups/{id}/packages"]["get"]
    by_name = {parameter["name"]: parameter for parameter in listing["parameters"]}

    assert by_name["exclude_subgroups"]["schema"] == {"default": False, "type": "boolean"}
    assert "semver" in _DOCUMENT["components"]["schemas"]["OrderBy"]["enum"]
    assert by_name["id"]["in"] == "path"
    assert all(parameter["description"] for parameter in listing["parameters"])


@pytest.mark.parametrize(("last", "is_valid"), [(2**63 - 1, True), (2**63, False)])
def test_ids_have_the_bound_that_the_database_has(last: int, *, is_valid: bool) -> None:
    schema = {"$ref": "#/components/schemas/BulkDelete", "components": _DOCUMENT["components"]}

    assert jsonschema_rs.is_valid(schema, {"ids": [1, last]}) == is_valid


def test_a_body_that_is_too_long_is_an_answer_wherever_json_is_read() -> None:
    for methods in _DOCUMENT["paths"].values():
        for operation in methods.values():
            reads_json = "application/json" in operation.get("requestBody", {}).get("content", {})
            assert ("413" in operation["responses"]) == reads_json, operation["operationId"]
