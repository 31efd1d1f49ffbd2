"""From the outbox through a real broker to a subscriber that shares no code with the service."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import aio_pika
import pytest

from schemas.messages.outgoing import Kind
from schemas.messages.topology import COMMANDS_EXCHANGE, DEAD_QUEUE, EVENTS_LOG
from schemas.names import Lane
from service.context import Context, open_context
from service.infra.rabbitmq.broker import open_broker
from service.observing.metrics import REGISTRY
from service.settings import Settings
from tests.support.catalogue import delete, publish, query, status_of
from tests.support.relaying import Publisher, relay_once
from tests.support.stepwise import Worker, with_settings
from workers.deleter.session import run_deleter
from workers.queue_watch import QueueWatch
from workers.relay.events import number_once, publish_refused
from workers.relay.session import run_relay


@pytest.fixture
def broker_url(virtual_host: str) -> str:
    """The broker of this test's yard."""
    return virtual_host


async def _subscribe(channel: aio_pika.abc.AbstractChannel, pattern: str) -> aio_pika.abc.AbstractQueue:
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind("packyard.events", pattern)
    return queue


async def test_an_event_is_a_cloudevent_with_its_attributes_as_headers(
    filled: Context, publisher: Publisher, channel: aio_pika.abc.AbstractChannel
) -> None:
    queue = await _subscribe(channel, "package.deletion_requested.generic.10.100")
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)

    assert await relay_once(filled, publisher, Kind.EVENT) == 1

    message = await queue.get(timeout=5)
    event = json.loads(message.body)
    assert message.content_type == "application/cloudevents+json; charset=utf-8"
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert message.message_id == event["id"] == str(deletion.request_event_id)
    assert message.correlation_id == event["correlationid"] == str(deletion.id)
    assert message.headers["cloudEvents_type"] == event["type"] == "io.packyard.package.deletion_requested.v1"
    assert event["specversion"] == "1.0"
    assert event["subject"] == f"projects/100/packages/{package_id}"
    assert event["sequence"] == "00000000000000000001"
    assert event["data"]["package_name"] == "app"
    assert (event["data"]["files"], event["data"]["bytes"]) == (1, 5)


async def test_the_outbox_is_relayed_in_order_without_gaps_and_only_once(
    filled: Context, publisher: Publisher, channel: aio_pika.abc.AbstractChannel
) -> None:
    queue = await _subscribe(channel, "#")
    for number in range(30):
        await delete(filled, await publish(filled, version=str(number)))

    assert await relay_once(filled, publisher, Kind.EVENT) == 30
    assert await relay_once(filled, publisher, Kind.EVENT) == 0

    events = [json.loads((await queue.get(timeout=5)).body) for _ in range(30)]
    assert [event["sequence"] for event in events] == [str(number).zfill(20) for number in range(1, 31)]
    assert [event["data"]["package_version"] for event in events] == [str(number) for number in range(30)]
    assert await queue.get(fail=False) is None


async def test_an_event_that_is_sent_again_is_the_same_to_the_letter(
    filled: Context, publisher: Publisher, channel: aio_pika.abc.AbstractChannel
) -> None:
    queue = await _subscribe(channel, "#")
    await delete(filled, await publish(filled))
    await relay_once(filled, publisher, Kind.EVENT)
    await query(filled, "UPDATE event_cursor SET published = 0")

    await relay_once(filled, publisher, Kind.EVENT)

    first, second = [await queue.get(timeout=5) for _ in range(2)]
    assert first.body == second.body
    assert first.message_id == second.message_id


async def test_events_nobody_subscribed_to_stay_in_the_log(
    filled: Context, publisher: Publisher, broker_url: str
) -> None:
    await delete(filled, await publish(filled))
    await relay_once(filled, publisher, Kind.EVENT)

    async with await aio_pika.connect(broker_url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=10)
        log = await channel.get_queue(EVENTS_LOG)
        came: asyncio.Queue[Any] = asyncio.Queue()
        await log.consume(came.put, arguments={"x-stream-offset": "first"})
        message = await asyncio.wait_for(came.get(), 5)  # noqa: TID251 - one wait, in a test

    assert message.headers["cloudEvents_type"] == "io.packyard.package.deletion_requested.v1"


async def test_a_subscriber_whose_queue_is_full_keeps_nobody_else_from_the_news(
    filled: Context, publisher: Publisher, channel: aio_pika.abc.AbstractChannel
) -> None:
    full: dict[str, Any] = {"x-max-length": 1, "x-overflow": "reject-publish"}
    await (await channel.declare_queue("full", arguments=full)).bind("packyard.events", "#")
    healthy = await _subscribe(channel, "#")
    for number in range(3):
        await delete(filled, await publish(filled, version=str(number)))
        await relay_once(filled, publisher, Kind.EVENT)

    versions = [json.loads((await healthy.get(timeout=5)).body)["data"]["package_version"] for _ in range(3)]
    waiting = await query(filled, "SELECT sequence, not_before > now() AS waits FROM event_refused ORDER BY sequence")

    assert versions == ["0", "1", "2"]
    assert [(row["sequence"], row["waits"]) for row in waiting] == [(2, True), (3, True)]
    assert await relay_once(filled, publisher, Kind.EVENT) == 0


async def test_a_refused_event_comes_when_there_is_room_and_is_the_same_to_the_letter(
    filled: Context, publisher: Publisher, channel: aio_pika.abc.AbstractChannel
) -> None:
    full: dict[str, Any] = {"x-max-length": 1, "x-overflow": "reject-publish"}
    queue = await channel.declare_queue("full", arguments=full)
    await queue.bind("packyard.events", "#")
    for number in range(2):
        await delete(filled, await publish(filled, version=str(number)))
    await relay_once(filled, publisher, Kind.EVENT)

    assert await publish_refused(filled, publisher.events) == 0
    await query(filled, "UPDATE event_refused SET not_before = now()")
    assert await publish_refused(filled, publisher.events) == 1
    again = await query(filled, "SELECT refusals, not_before > now() + interval '1 second' AS waits FROM event_refused")
    first = await queue.get(timeout=5, no_ack=True)
    await query(filled, "UPDATE event_refused SET not_before = now()")
    assert await publish_refused(filled, publisher.events) == 1
    second = await queue.get(timeout=5, no_ack=True)
    logged = await query(filled, "SELECT body FROM event_log ORDER BY sequence")

    assert [(row["refusals"], row["waits"]) for row in again] == [(1, True)]
    assert [first.body.decode(), second.body.decode()] == [row["body"] for row in logged]
    assert await query(filled, "SELECT FROM event_refused") == []


async def test_a_command_without_a_queue_is_left_to_the_scheduler(
    filled: Context, publisher: Publisher, channel: aio_pika.abc.AbstractChannel
) -> None:
    await channel.queue_delete(Lane.INTERACTIVE.queue)
    await delete(filled, await publish(filled))

    assert await relay_once(filled, publisher, Kind.COMMAND) == 1
    assert await relay_once(filled, publisher, Kind.COMMAND) == 0


async def test_a_second_relay_stands_by_and_takes_over(filled: Context, publisher: Publisher) -> None:
    first_stop, second_stop = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_relay(filled, first_stop))
        group.create_task(run_relay(filled, second_stop))
        await asyncio.sleep(1)
        first_stop.set()
        await delete(filled, await publish(filled))
        async with asyncio.timeout(5):
            while not await query(filled, "SELECT 1 FROM event_cursor WHERE published > 0"):
                await asyncio.sleep(0.02)
        second_stop.set()


async def test_a_message_that_is_no_command_is_buried_with_the_reason(
    filled: Context, publisher: Publisher, channel: aio_pika.abc.AbstractChannel, stop: asyncio.Event
) -> None:
    exchange = await channel.get_exchange(COMMANDS_EXCHANGE)
    await exchange.publish(aio_pika.Message(b'{"deletion_ids": "all"}'), Lane.INTERACTIVE.routing_key)
    package_id = await publish(filled)
    await delete(filled, package_id)
    async with asyncio.TaskGroup() as group:
        group.create_task(run_relay(filled, stop))
        group.create_task(run_deleter(filled, list(Lane), stop))
        async with asyncio.timeout(10):
            while await status_of(filled, package_id) is not None:
                await asyncio.sleep(0.02)
        stop.set()

    dead = await (await channel.get_queue(DEAD_QUEUE)).get(timeout=5)
    assert dead.body == b'{"deletion_ids": "all"}'
    assert str(dead.headers["packyard-reason"]).startswith("not a command: ")


async def test_a_worker_whose_queue_was_taken_away_consumes_again(
    filled: Context, channel: aio_pika.abc.AbstractChannel, stop: asyncio.Event
) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(run_relay(filled, stop))
        group.create_task(run_deleter(filled, list(Lane), stop))
        await asyncio.sleep(1)
        await channel.queue_delete(Lane.INTERACTIVE.queue)
        await asyncio.sleep(2.5)
        package_id = await publish(filled)
        await delete(filled, package_id)
        async with asyncio.timeout(10):
            while await status_of(filled, package_id) is not None:
                await asyncio.sleep(0.02)
        stop.set()


async def test_a_work_queue_that_brings_nothing_is_bypassed(filled: Context, stop: asyncio.Event) -> None:
    package_id = await publish(filled)
    await delete(filled, package_id)
    await query(filled, "DELETE FROM outbox")
    await query(filled, "UPDATE deletion SET wakes = 2")

    async with asyncio.TaskGroup() as group:
        group.create_task(run_deleter(filled, list(Lane), stop))
        async with asyncio.timeout(10):
            while await status_of(filled, package_id) is not None:
                await asyncio.sleep(0.02)
        stop.set()


async def test_a_claim_that_lapsed_is_taken_over_whatever_stands_in_the_queue_before_it(
    settings: Settings, filled: Context, stop: asyncio.Event
) -> None:
    lease = timedelta(seconds=5)
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    await query(filled, "DELETE FROM outbox")
    await Worker().claim(with_settings(filled, lease=timedelta(0)), deletion.id)

    async with open_context(settings.model_copy(update={"lease": lease})) as context, asyncio.TaskGroup() as group:
        group.create_task(run_deleter(context, list(Lane), stop))
        async with asyncio.timeout(2 * lease.total_seconds()):
            while await status_of(filled, package_id) is not None:
                await asyncio.sleep(0.02)
        stop.set()


async def test_queues_are_not_told_of_as_they_were_when_the_broker_answered(settings: Settings) -> None:
    name, queue = "packyard_queue_consumers", {"queue": Lane.BULK.queue}
    async with open_broker(settings.broker_url.get_secret_value(), name="test") as broker:
        watch = QueueWatch(broker)
        with watch.exported():
            await watch.refresh()
            assert REGISTRY.get_sample_value(name, queue) == 0
            watch._within = 0
            await watch.refresh()
            assert REGISTRY.get_sample_value(name, queue) is None


async def test_relays_that_are_active_at_once_number_each_event_once(filled: Context) -> None:
    for number in range(10):
        await delete(filled, await publish(filled, version=str(number)))

    async with asyncio.TaskGroup() as group:
        several = [group.create_task(number_once(filled)) for _ in range(3)]

    assert sum(each.result() for each in several) == 10
    logged = await query(filled, "SELECT sequence, body FROM event_log ORDER BY sequence")
    assert [row["sequence"] for row in logged] == list(range(1, 11))
    assert [json.loads(row["body"])["data"]["package_version"] for row in logged] == [str(n) for n in range(10)]


async def test_a_worker_holds_no_more_of_a_backlog_than_it_works_on(
    settings: Settings, filled: Context, channel: aio_pika.abc.AbstractChannel, stop: asyncio.Event
) -> None:
    for number in range(6):
        deletion = await delete(filled, await publish(filled, version=str(number)))
        body = json.dumps({"deletion_ids": [str(deletion.id)]}).encode()
        await channel.default_exchange.publish(aio_pika.Message(body), Lane.BULK.queue)

    async with (
        # So that each takes a second, once the first has been removed.
        open_context(settings.model_copy(update={"storage_delete_rate": 1})) as slow,
        asyncio.TaskGroup() as group,
    ):
        group.create_task(run_deleter(slow, [Lane.BULK], stop))
        async with asyncio.timeout(10):
            while not await query(filled, "SELECT FROM deletion WHERE claim IS NOT NULL"):
                await asyncio.sleep(0.02)
        queue = await channel.declare_queue(Lane.BULK.queue, passive=True)
        stop.set()

    # Others cannot take the messages that one worker has.
    assert queue.declaration_result.message_count in {3, 4}


async def test_a_command_that_was_not_begun_when_the_worker_stops_goes_to_another(
    filled: Context, publisher: Publisher, channel: aio_pika.abc.AbstractChannel, stop: asyncio.Event
) -> None:
    package_id = await publish(filled)
    await delete(filled, package_id)
    async with asyncio.TaskGroup() as group:
        group.create_task(run_deleter(filled, list(Lane), stop))
        await asyncio.sleep(1)
        stop.set()
        await relay_once(filled, publisher, Kind.COMMAND)

    queue = await channel.get_queue(Lane.INTERACTIVE.queue)
    states = await query(filled, "SELECT state FROM deletion")
    # Ended, or given back by claim, or never begun and in the queue again: in no case only acked.
    assert states[0]["state"] in {"succeeded", "retrying"} or await queue.get(timeout=5, fail=False) is not None
