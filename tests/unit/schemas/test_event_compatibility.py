"""No subscriber of a released version is broken: its document is compared with that of now."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

import pytest

from tests.support.event_compatibility import RELEASED, breaches
from tests.support.paths import ROOT

_NOW: Final[dict[str, Any]] = json.loads((ROOT / "schemas/messages/asyncapi.json").read_text(encoding="utf-8"))
_DESTROYED: Final = "PackageDestroyed"


def _data(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][_DESTROYED]
    return found


def _remove_field(document: dict[str, Any]) -> None:
    del _data(document)["properties"]["bytes"]


def _rename_field(document: dict[str, Any]) -> None:
    properties = _data(document)["properties"]
    properties["size"] = properties.pop("bytes")


def _let_field_be_absent(document: dict[str, Any]) -> None:
    _data(document)["required"].remove("deletion_id")


def _narrow_type(document: dict[str, Any]) -> None:
    _data(document)["properties"]["package_name"]["enum"] = ["anvil"]


def _widen_type(document: dict[str, Any]) -> None:
    _data(document)["properties"]["project_id"] = {"anyOf": [{"type": "integer"}, {"type": "null"}]}


def _change_type(document: dict[str, Any]) -> None:
    _data(document)["properties"]["bytes"]["type"] = "string"


def _limit_value(document: dict[str, Any]) -> None:
    _data(document)["properties"]["bytes"]["maximum"] = 1_000


def _remove_word(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["Cause"]["enum"].remove("bulk")


def _remove_nested_field(document: dict[str, Any]) -> None:
    del document["components"]["schemas"]["Figures"]["properties"]["missing"]


def _remove_attribute(document: dict[str, Any]) -> None:
    del document["components"]["schemas"]["CloudEvent"]["properties"]["aggversion"]


def _remove_header(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["CloudEventHeaders"]["required"].remove("cloudEvents_type")


def _remove_message(document: dict[str, Any]) -> None:
    del document["components"]["messages"]["packageDestroyed"]


def _change_key(document: dict[str, Any]) -> None:
    document["channels"]["deletions"]["address"] = "{entity}.{action}.{package_type}.{project_id}"


def _change_exchange(document: dict[str, Any]) -> None:
    document["channels"]["deletions"]["bindings"]["amqp"]["exchange"]["name"] = "packyard.news"


def _remove_stream(document: dict[str, Any]) -> None:
    del document["channels"]["log"]


def _raise_version(document: dict[str, Any]) -> None:
    """Break the data, and say so in the type."""
    _remove_field(document)
    document["components"]["messages"]["packageDestroyed"]["name"] = "io.packyard.package.destroyed.v2"


def _add_field(document: dict[str, Any]) -> None:
    _data(document)["properties"]["more"] = {"type": "integer"}


def _be_never_null(document: dict[str, Any]) -> None:
    _data(document)["properties"]["package_version"] = {"type": "string"}


def _add_word(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["Cause"]["enum"].append("whim")


def _change_description(document: dict[str, Any]) -> None:
    _data(document)["properties"]["bytes"]["description"] = "Other words."


def _changed(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    document = deepcopy(_NOW)
    change(document)
    return document


@pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.stem)
def test_the_document_of_now_breaks_no_subscriber_of_a_release(released: Any) -> None:
    assert breaches(json.loads(released.read_text(encoding="utf-8")), _NOW) == []


def test_there_is_a_document_of_each_release() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = [line.split()[1] for line in changelog.splitlines() if line.startswith("## ") and "." in line]

    assert sorted(path.stem for path in RELEASED) == sorted(versions) != []


@pytest.mark.parametrize(
    "change",
    [
        *(_remove_field, _rename_field, _let_field_be_absent, _narrow_type, _widen_type, _change_type, _limit_value),
        *(_remove_word, _remove_nested_field, _remove_attribute, _remove_header, _remove_message),
        *(_change_key, _change_exchange, _remove_stream),
    ],
)
def test_a_change_that_breaks_subscribers_is_noticed(change: Callable[[dict[str, Any]], None]) -> None:
    assert breaches(_NOW, _changed(change)) != []


@pytest.mark.parametrize("change", [_add_field, _add_word, _be_never_null, _change_description, _raise_version])
def test_a_change_that_breaks_nobody_is_allowed(change: Callable[[dict[str, Any]], None]) -> None:
    assert breaches(_NOW, _changed(change)) == []
