"""The AsyncAPI document of the events: all that can be judged without a broker."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Final

import pytest

from schemas.messages.events import EVENTS
from schemas.messages.http_channels import FEEDS, WEBHOOK_CHANNEL
from tests.support.event_document import DOCUMENT_FILE, Description, read_document
from tests.support.paths import ROOT

_PARSER: Final = ROOT / ".checkers" / "node"
_PATIENCE_S: Final = 100
_DOCUMENT: Final = read_document()
_TYPES: Final = [kind.type_name() for kind in EVENTS]

Json = dict[str, Any]


def _another_binding(document: Json) -> None:
    document["channels"]["log"]["bindings"]["amqp"]["bindingVersion"] = "0.1.0"


def _no_parameter(document: Json) -> None:
    del document["channels"]["deletions"]["parameters"]["project_id"]


def _no_such_schema(document: Json) -> None:
    del document["components"]["schemas"]["Figures"]


def _no_such_message(document: Json) -> None:
    del document["channels"]["log"]["messages"]["storageChecked"]


_BREAKERS: Final[tuple[Callable[[Json], None], ...]] = (
    _another_binding,
    _no_parameter,
    _no_such_schema,
    _no_such_message,
)


def _broken(breaker: Callable[[Json], None]) -> Json:
    document = copy.deepcopy(_DOCUMENT)
    breaker(document)
    return document


@pytest.fixture(scope="module")
def complaints() -> list[list[str]]:
    """The parser's report on the document, and on each broken one; that AsyncAPI has a newer version is no fault."""
    assert _PARSER.exists(), "AsyncAPI's parser is missing: `make checkers` installs it"
    documents = [_DOCUMENT, *map(_broken, _BREAKERS)]
    done = subprocess.run(
        ["node", ROOT / "tests" / "contracts" / "check_asyncapi.mjs"],
        cwd=_PARSER,
        input=json.dumps(documents),
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [
        [f"{'/'.join(map(str, fault['path']))}: {fault['message']}" for fault in found if fault["severity"] <= 1]
        for found in json.loads(done.stdout)
    ]


def test_the_file_is_what_the_classes_say() -> None:
    command = [sys.executable, "-m", "workers.cli", "events", "document"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=_PATIENCE_S, check=True).stdout

    assert printed.decode() == DOCUMENT_FILE.read_text(encoding="utf-8"), "`make asyncapi` writes it anew"


def test_asyncapis_own_parser_finds_nothing(complaints: list[list[str]]) -> None:
    assert complaints[0] == []


@pytest.mark.parametrize("number", range(len(_BREAKERS)), ids=[breaker.__name__ for breaker in _BREAKERS])
def test_asyncapis_own_parser_finds_what_is_wrong(complaints: list[list[str]], number: int) -> None:
    assert complaints[1 + number]


def test_every_event_is_in_one_channel_of_the_exchange_and_in_the_log() -> None:
    description = Description(_DOCUMENT)
    channels = {name: description.names_in(name) for name in _DOCUMENT["channels"]}

    assert [*description.messages] == _TYPES
    for whole in ("log", *FEEDS):
        assert channels.pop(whole) == set(_TYPES)
    delivered = {name for name in _TYPES if name.split(".")[2] in {"package", "package_file"}}
    assert channels.pop(WEBHOOK_CHANNEL) == delivered
    assert sorted(name for names in channels.values() for name in names) == sorted(_TYPES)
    assert {operation["action"] for operation in _DOCUMENT["operations"].values()} == {"send"}


@pytest.mark.parametrize("name", _TYPES)
def test_an_example_is_of_its_own_type_and_of_no_other(name: str) -> None:
    description = Description(_DOCUMENT, is_closed=True)
    (example,) = description.messages[name]["examples"]

    for part in ("headers", "payload"):
        assert description.faults(name, part, example[part]) == []
        assert all(description.faults(other, part, example[part]) for other in _TYPES if other != name)
    assert example["payload"]["type"] == name


@pytest.mark.parametrize("name", _TYPES)
def test_who_goes_by_the_document_can_read_events_of_later_versions(name: str) -> None:
    description = Description(_DOCUMENT)
    (example,) = description.messages[name]["examples"]
    headers = {**example["headers"], "cloudEvents_later": "1"}
    payload = {**example["payload"], "later": 1, "data": {**example["payload"]["data"], "later": 1}}

    assert description.faults(name, "headers", headers) == []
    assert description.faults(name, "payload", payload) == []


@pytest.mark.parametrize("name", _TYPES)
def test_nothing_that_an_event_holds_may_be_left_out(name: str) -> None:
    description = Description(_DOCUMENT)
    (example,) = description.messages[name]["examples"]

    for part in ("headers", "payload"):
        for key in example[part]:
            rest = {other: value for other, value in example[part].items() if other != key}
            assert description.faults(name, part, rest), key
