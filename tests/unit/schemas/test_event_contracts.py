"""The events are a public contract, whose document is `schemas/messages/asyncapi.json`."""

from uuid import UUID

import pytest

from schemas.messages import events, publications
from schemas.messages.cloud_events import published
from schemas.messages.event import Event
from schemas.messages.events import EVENTS

_INSTANCE = UUID("01920000-0000-7000-8000-000000000000")


def test_every_event_is_announced() -> None:
    kinds = [kind for module in (events, publications) for kind in vars(module).values()]
    named = {kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Event) and hasattr(kind, "entity")}

    assert named == set(EVENTS)


@pytest.mark.parametrize("kind", EVENTS)
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
