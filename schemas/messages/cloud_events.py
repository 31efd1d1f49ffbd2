"""The envelope of events: CloudEvents 1.0 as JSON, with the attributes once more as headers.

The outbox holds an event without `source`, `sequence` and `aggversion`; the numbering adds them.
"""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, ConfigDict, Field

from schemas.base import Contract, Json
from schemas.messages.event import Event

CONTENT_TYPE: Final = "application/cloudevents+json; charset=utf-8"
HEADER_PREFIX: Final = "cloudEvents_"
"""With it, clients of AMQP 1.0 see the attributes as its binding of CloudEvents names them."""
SEQUENCE_DIGITS: Final = 20
"""`sequence` is zero-padded, since CloudEvents compares it as text."""

_SOURCE: Final = "/instances/01a21700-0c1e-7b60-8f52-6d0f4c0a9e11/packages-api"
_NO_HEADERS: Final = frozenset({"data", "datacontenttype"})


class Envelope(Contract):
    """A CloudEvent as the outbox holds it."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    specversion: Literal["1.0"]
    """The version of CloudEvents."""
    id: UUID
    """The event; the same each time it is sent."""
    type: str
    """The kind of event; another number at its end means another shape."""
    subject: str
    """To what it happened."""
    time: AwareDatetime
    """When it happened."""
    recordedtime: AwareDatetime
    """When it was written down."""
    datacontenttype: Literal["application/json"]
    dataschema: str
    """The shape of `data`: the API serves its JSON schema at `/api/event_schemas/<dataschema>`."""
    partitionkey: str
    """The project: order matters to nobody across projects. `storage` for what is about all of it."""
    correlationid: UUID
    """The upload, the deletion, or the check."""
    causationid: UUID
    """The event that began it."""
    authtype: Literal["user", "system"]
    """Whether a user asked for it."""
    authid: str
    """The number of that user; else `packyard`."""
    data: Json


class Publication(Contract):
    """The attributes of an event that are known only when it is numbered."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    source: Annotated[str, Field(pattern=r"^/instances/[0-9a-f-]{36}/packages-api$", examples=[_SOURCE])]
    """The instance that it comes from; together with `id` it identifies an event that was seen before."""
    sequence: Annotated[str, Field(pattern=rf"^[0-9]{{{SEQUENCE_DIGITS}}}$", examples=["4711".zfill(SEQUENCE_DIGITS)])]
    """Its number among all events of the instance, without gaps; as text of one length, so that it sorts."""
    aggversion: Annotated[int, Field(ge=0)]
    """Grows with every change of one package: drop what is older than what you know."""


class CloudEvent(Publication, Envelope):
    """An event as subscribers get it."""


HEADER_NAMES: Final = tuple(name for name in CloudEvent.model_fields if name not in _NO_HEADERS)
"""The attributes that are headers, too."""


def enveloped(event: Event, *, event_id: UUID, causation_id: UUID, now: datetime) -> Envelope:
    """Wrap *event* as the CloudEvent with that id."""
    return Envelope(
        specversion="1.0",
        id=event_id,
        type=event.type_name(),
        subject=event.subject(),
        time=now,
        recordedtime=now,
        datacontenttype="application/json",
        dataschema=event.schema_name(),
        partitionkey=event.partition(),
        correlationid=event.correlation(),
        causationid=causation_id,
        authtype="user" if event.actor() is not None else "system",
        authid=str(event.actor()) if event.actor() is not None else "packyard",
        data=event.model_dump(mode="json"),
    )


def published(body: Json, *, instance_id: UUID, sequence: int) -> Json:
    """Complete the outbox's *body* as the numbering does."""
    added = Publication(
        source=f"/instances/{instance_id}/packages-api",
        sequence=str(sequence).zfill(SEQUENCE_DIGITS),
        aggversion=sequence,
    )
    return {**body, **added.model_dump()}


def headers(body: Json) -> Json:
    """Return the attributes of a CloudEvent, or a value for each such as its schema, under their names as headers."""
    return {f"{HEADER_PREFIX}{name}": value for name, value in body.items() if name not in _NO_HEADERS}
