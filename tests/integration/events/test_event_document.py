"""The messages that a subscriber really gets, compared with the document of the events: all types, and nothing else."""

import asyncio
import json
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import aio_pika
import jsonschema_rs
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from schemas.messages.events import EVENTS
from schemas.messages.examples import example_fact
from schemas.messages.http_channels import FEEDS, WEBHOOK_CHANNEL
from schemas.messages.outgoing import Kind
from schemas.names import AccessLevel, Cause, Credential, Lane
from service.context import Context
from service.deletions import bulk
from service.deletions.bulk import Wanted
from service.deletions.deletion import Origin
from service.events import outbox
from service.storage_check import schedule
from tests.integration.conftest import Client
from tests.support.catalogue import OPEN, delete, delete_file, protect, publish, query, restore
from tests.support.checks import put
from tests.support.event_document import Description, read_document
from tests.support.packages import bring_in, file_ids
from tests.support.relaying import Publisher, relay_once
from tests.support.stepwise import with_settings
from workers.deleter.batch import carry_out
from workers.relay.events import number_once

_DOCUMENT: Final = read_document()
_DESCRIPTION: Final = Description(_DOCUMENT, is_closed=True)
_SENDING: Final = _DOCUMENT["operations"]["deletions"]["bindings"]["amqp"]
_HOUR: Final = timedelta(hours=1)
_OF_OTHERS: Final = ("quota.", "retention.", "webhook.")
_COMMAND_LINE: Final = Origin(
    None, AccessLevel.ADMIN, Credential.COMMAND_LINE, Cause.BULK, Lane.BULK, reason="too old", batch_id=uuid4()
)


async def _declare(channel: AbstractChannel, name: str) -> aio_pika.abc.AbstractQueue | None:
    """Declare the queue or exchange of a channel as the document has it; the broker refuses if it is unlike ours."""
    described = _DOCUMENT["channels"][name]
    amqp = described["bindings"]["amqp"]
    if amqp["is"] == "queue":
        queue = amqp["queue"]
        return await channel.declare_queue(
            queue["name"],
            durable=queue["durable"],
            exclusive=queue["exclusive"],
            auto_delete=queue["autoDelete"],
            arguments=described["x-queue-arguments"],
        )
    exchange = amqp["exchange"]
    await channel.declare_exchange(
        exchange["name"], exchange["type"], durable=exchange["durable"], auto_delete=exchange["autoDelete"]
    )
    return None


async def _carry_out(context: Context, **settings: object) -> None:
    queued = await query(context, "SELECT id FROM deletion WHERE state = 'queued' ORDER BY id")
    await carry_out(with_settings(context, **settings), [row["id"] for row in queued], asyncio.Event())


async def _let_all_happen(context: Context) -> None:
    """Let packages and files come, go, come back and fail, and let the storage be checked."""
    pair = await publish(context, name="pair", files=["a", "b"])
    await delete_file(context, pair, (await file_ids(context, pair))[0])
    single = await publish(context, name="single")
    await delete_file(context, single, (await file_ids(context, single))[0])
    await delete(context, await publish(context, name="whole", files=["a", "b"]))
    unnumbered = await bring_in(
        context, name="@acme/unnumbered", version=None, files=[{"file_name": "f", "content": "x"}]
    )
    wanted = Wanted((unnumbered,), {OPEN: AccessLevel.ADMIN}, None)
    await bulk.delete_packages(context.deletions, _COMMAND_LINE, wanted)
    await _carry_out(context)

    kept = await publish(context, name="kept", files=["a", "b"])
    undone = [
        await delete(context, await publish(context, name="undone")),
        await delete_file(context, kept, (await file_ids(context, kept))[0]),
    ]
    renamed = await delete(context, await publish(context, name="renamed"))
    await _carry_out(context, grace_period=_HOUR)
    for deletion in undone:
        await restore(context, deletion.id)
    await publish(context, name="renamed")
    await restore(context, renamed.id, rename_to="1.0-again")

    guarded = await publish(context, files=["a", "b"])
    await delete_file(context, guarded, (await file_ids(context, guarded))[0])
    await delete(context, await publish(context, version="2.0"))
    await protect(context)
    await _carry_out(context)

    await put(context, b"an orphan")
    await schedule.run_scheduled_check(context.database, context.store, context.settings)

    await publish(context, name="announced", files=["a", "b"], announces=True)
    hundred_and_one = [{"file_name": f"f-{number}", "content": "x"} for number in range(101)]
    await bring_in(
        context,
        announces=True,
        pipelines=[{"id": 47, "status": "success", "ref": "main", "sha": "a91957a8"}],
        files=hundred_and_one,
    )


async def _let_rules_and_webhooks_speak(context: Context) -> None:
    """Send the events of quotas, retention and webhooks as examples; tests of these hold when they are sent."""
    facts = [example_fact(kind) for kind in EVENTS if kind.topic().startswith(_OF_OTHERS)]
    # Those of a group have no project.
    facts += [
        fact.model_copy(update={"project_id": None, "group_id": 10})
        for fact in facts
        if fact.topic().startswith(("quota.", "webhook."))
    ]
    async with context.database.transaction() as connection:
        await outbox.append(connection, [outbox.event(fact) for fact in facts])


async def _take(queue: aio_pika.abc.AbstractQueue, count: int, **arguments: Any) -> list[AbstractIncomingMessage]:
    """Consume so many messages."""
    came: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    await queue.consume(came.put, arguments=arguments)
    async with asyncio.timeout(20):
        return [await came.get() for _ in range(count)]


def _faults(message: AbstractIncomingMessage) -> list[str]:
    """Return in which ways the message is not what the document says."""
    name, headers, body = message.type or "", dict(message.headers), json.loads(message.body)
    described = _DESCRIPTION.messages[name]
    to = _DESCRIPTION.channel_of(message.routing_key or "", body)
    repeated = {f"cloudEvents_{key}": value for key, value in body.items()}
    holds = {
        "routing key": to is not None and name in _DESCRIPTION.names_in(to),
        "content type": message.content_type == described["contentType"],
        "message type": described["bindings"]["amqp"]["messageType"] == name == body["type"],
        "delivery mode": message.delivery_mode == _SENDING["deliveryMode"],
        "timestamp": (message.timestamp is not None) == _SENDING["timestamp"],
        "properties": (message.message_id, message.correlation_id) == (body["id"], body["correlationid"]),
        "application": message.app_id == "packyard",
        "headers like the body": headers.items() <= repeated.items(),
    }
    return [
        *_DESCRIPTION.faults(name, "headers", headers),
        *_DESCRIPTION.faults(name, "payload", body),
        *(f"{what} of {name}: {message.info()}" for what, is_so in holds.items() if not is_so),
    ]


def _nullable() -> set[str]:
    """Return the fields that may be null, of any event."""
    schemas = _DOCUMENT["components"]["schemas"].values()
    return {
        name
        for schema in schemas
        for name, found in schema.get("properties", {}).items()
        if {"type": "null"} in found.get("anyOf", ())
    }


async def test_every_event_is_as_the_document_says(
    filled: Context, publisher: Publisher, channel: AbstractChannel
) -> None:
    mine = await channel.declare_queue(exclusive=True)
    await mine.bind("packyard.events", "#")
    log = await _declare(channel, "log")
    assert log is not None
    await channel.set_qos(prefetch_count=1_000)
    await _let_all_happen(filled)
    await _let_rules_and_webhooks_speak(filled)
    sent = await relay_once(filled, publisher, Kind.EVENT)
    assert await relay_once(filled, publisher, Kind.EVENT) == 0

    heard, logged = await _take(mine, sent), await _take(log, sent, **{"x-stream-offset": "first"})

    assert [fault for message in heard for fault in _faults(message)] == []
    assert [message.body for message in logged] == [message.body for message in heard]
    assert {message.type for message in heard} == set(_DESCRIPTION.messages)
    bodies = [json.loads(message.body) for message in heard]
    values = [item for body in bodies for item in body["data"].items()]
    assert {name for name, value in values if value is None} == _nullable()
    assert {name for name, value in values if value is not None} >= _nullable()
    assert {body["authtype"] for body in bodies} == {"user", "system"}


@pytest.mark.parametrize("name", sorted(_DOCUMENT["channels"].keys() - {*FEEDS, WEBHOOK_CHANNEL}))
async def test_the_broker_has_what_the_document_says(channel: AbstractChannel, name: str) -> None:
    await _declare(channel, name)


async def test_the_api_shows_the_document_of_its_version(client: Client) -> None:
    answer = await client.get("/api/asyncapi.json")

    assert (answer.status, await answer.json()) == (200, _DOCUMENT)


async def test_dataschema_leads_to_a_schema_of_the_data(filled: Context, client: Client) -> None:
    await publish(filled, files=["a", "b"], announces=True)
    await number_once(filled)
    events = await (await client.get("/api/v4/projects/100/package_events")).json(content_type=None)

    for event in events:
        answer = await client.get(f"/api/event_schemas/{event['dataschema']}")
        assert answer.status == 200
        schema = await answer.json()
        assert schema["$id"] == event["dataschema"]
        assert jsonschema_rs.is_valid(schema, {**event["data"], "later": "field"})
        assert not jsonschema_rs.is_valid(schema, {**event["data"], "package_id": "one"})
    assert len(events) == 2
    assert (await client.get("/api/event_schemas/urn:packyard:events:package.sold:v1")).status == 404
