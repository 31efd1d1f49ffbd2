"""The bytes of an event, read with the driver's own decoder."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pamqp.frame
import pytest
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from schemas.messages.cloud_events import HEADER_NAMES, headers
from schemas.messages.event import Event
from schemas.messages.events import EVENTS
from schemas.messages.examples import example_body, example_fact
from schemas.messages.outgoing import LoggedEvent
from service.infra.rabbitmq.event_frames import event_frames

_CHANNEL = 7


def _frames(event: LoggedEvent, frame_max: int = 131_072) -> Sequence[object]:
    data = b"".join(event_frames(event, exchange="packyard.events", channel=_CHANNEL, frame_max=frame_max, now=1_800))
    found = []
    while data:
        used, channel, frame = pamqp.frame.unmarshal(data)
        assert channel == _CHANNEL
        assert used <= frame_max
        found.append(frame)
        data = data[used:]
    return found


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_the_driver_reads_what_was_meant(kind: type[Event]) -> None:
    body = example_body(kind)
    key = example_fact(kind).routing_key()

    publish, header, content = _frames(LoggedEvent(1, key, [str(body[name]) for name in HEADER_NAMES], "{é}"))

    assert isinstance(publish, commands.Basic.Publish)
    assert (publish.exchange, publish.routing_key, publish.mandatory) == ("packyard.events", key, False)
    assert isinstance(header, ContentHeader)
    assert isinstance(content, ContentBody)
    assert header.body_size == len(content.value) == len("{é}".encode())
    properties = dict(header.properties)
    assert properties.pop("timestamp") == datetime.fromtimestamp(1_800, UTC)
    assert {name: value for name, value in properties.items() if value} == {
        "content_type": "application/cloudevents+json; charset=utf-8",
        "headers": headers(body),
        "delivery_mode": 2,
        "correlation_id": body["correlationid"],
        "message_id": body["id"],
        "message_type": body["type"],
        "app_id": "packyard",
    }


@pytest.mark.parametrize(("size", "parts"), [(4_088, 1), (4_089, 2), (10_000, 3)])
def test_a_body_that_is_larger_than_a_frame_is_split(size: int, parts: int) -> None:
    attributes = ["1" if name == "aggversion" else name for name in HEADER_NAMES]

    frames = _frames(LoggedEvent(1, "key", attributes, "x" * size), frame_max=4_096)

    bodies = [frame.value for frame in frames if isinstance(frame, ContentBody)]
    assert len(bodies) == parts
    assert b"".join(bodies) == b"x" * size
