"""The events are a public contract: a change of their shape has to be seen in a difference of this golden file."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from schemas import events
from schemas.events import DeletionEvent, Envelope, Event, published

_GOLDEN = Path(__file__).parents[1] / "contracts" / "events.json"
_TYPES = [
    kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind not in {Event, DeletionEvent}
]
_INSTANCE = UUID("01920000-0000-7000-8000-000000000000")


def test_the_shapes_of_all_events_are_the_golden_ones() -> None:
    shapes = {kind.type_name(): kind.model_json_schema() for kind in _TYPES} | {
        "envelope": Envelope.model_json_schema()
    }

    assert json.loads(_GOLDEN.read_text(encoding="utf-8")) == shapes


@pytest.mark.parametrize("kind", _TYPES)
def test_an_event_type_is_named_after_its_entity_and_action(kind: type[Event]) -> None:
    assert kind.type_name() == f"io.packyard.{kind.entity}.{kind.action}.v1"


def test_publishing_adds_the_source_and_a_sequence_that_compares_as_text() -> None:
    body = published({"id": "x"}, instance_id=_INSTANCE, sequence=42)

    assert body == {
        "id": "x",
        "source": f"/instances/{_INSTANCE}/packages-api",
        "sequence": "00000000000000000042",
        "aggversion": 42,
    }
