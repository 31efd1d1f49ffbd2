"""From the outbox to the log: numbers without gaps, in an order that a late commit does not change."""

import asyncio
import json
from datetime import date, timedelta

import pytest
from pydantic import SecretStr

from schemas.messages.cloud_events import HEADER_NAMES, CloudEvent, headers
from schemas.messages.event import Event
from schemas.messages.events import EVENTS
from schemas.messages.examples import example_body, example_fact
from schemas.messages.outgoing import Kind, Outgoing
from service.backlog import rows as backlog_rows
from service.context import Context, open_context
from service.events import days, outbox
from service.settings import Settings
from tests.support.catalogue import query
from tests.support.relaying import Publisher, relay_once
from tests.support.yard import eventually
from workers.relay.events import BATCH, number_once, take_over_log
from workers.relay.session import run_relay

_ANY = example_fact(EVENTS[0])
_UNTIL_PLAN_IS_KEPT = 6
"""Executions until the server keeps a plan for all values: it is one for an empty outbox then."""


async def _write(context: Context, *facts: Event) -> list[Outgoing]:
    messages = [outbox.event(fact) for fact in facts]
    async with context.database.transaction() as connection:
        await outbox.append(connection, messages)
    return messages


async def _log(context: Context) -> list[tuple[int, str]]:
    rows = await query(context, "SELECT sequence, body FROM event_log ORDER BY sequence")
    return [(row["sequence"], json.loads(row["body"])["id"]) for row in rows]


async def test_what_is_made_in_the_database_is_what_the_contract_says(filled: Context) -> None:
    written = await _write(filled, *map(example_fact, EVENTS))

    assert await number_once(filled) == len(EVENTS)

    (instance,) = await query(filled, "SELECT id FROM instance")
    rows = await query(filled, "SELECT * FROM event_log ORDER BY sequence")
    for number, (kind, message, row) in enumerate(zip(EVENTS, written, rows, strict=True), start=1):
        event = json.loads(row["body"])
        assert kind.model_validate(event["data"]) == example_fact(kind)
        assert event == {
            **message.body.model_dump(mode="json"),
            "source": f"/instances/{instance['id']}/packages-api",
            "sequence": str(number).zfill(20),
            "aggversion": number,
        }
        assert event.keys() == example_body(kind).keys()
        CloudEvent.model_validate(event)
        attributes = {f"cloudEvents_{name}": value for name, value in zip(HEADER_NAMES, row["headers"], strict=True)}
        assert attributes == {name: str(value) for name, value in headers(event).items()}
        assert (row["sequence"], row["type"], row["routing_key"]) == (number, kind.topic(), message.routing_key)
        assert (row["project_id"], row["package_type"]) == tuple(
            event["data"].get(name) for name in ("project_id", "package_type")
        )


async def test_a_late_commit_gets_a_later_number_and_leaves_no_gap(filled: Context) -> None:
    (late,) = [outbox.event(_ANY)]
    async with filled.database.transaction() as connection:
        await outbox.append(connection, [late])
        early = await _write(filled, _ANY, _ANY)
        assert await number_once(filled) == 2
    assert await number_once(filled) == 1

    assert await _log(filled) == [(number, str(each.id)) for number, each in enumerate([*early, late], start=1)]


async def test_writers_and_numberers_at_the_same_time_leave_no_gap_and_lose_nothing(filled: Context) -> None:
    written: list[str] = []

    async def write() -> None:
        for _ in range(20):
            async with filled.database.transaction() as connection:
                messages = [outbox.event(_ANY) for _ in range(3)]
                await outbox.append(connection, messages)
                await asyncio.sleep(0.002)
            written.extend(str(message.id) for message in messages)

    async def give_numbers() -> None:
        while len(written) < 6 * 60:
            await number_once(filled)

    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(write())
        for _ in range(2):
            group.create_task(give_numbers())
    await number_once(filled)

    logged = await _log(filled)
    assert [number for number, _ in logged] == list(range(1, len(written) + 1))
    assert {event_id for _, event_id in logged} == set(written)
    # The events of one transaction keep their order.
    places = {event_id: number for number, event_id in logged}
    assert all(
        places[written[at]] < places[written[at + 1]] < places[written[at + 2]] for at in range(0, len(written), 3)
    )


@pytest.mark.usefixtures("database_of_its_own")
async def test_a_relay_that_was_idle_takes_many_events_in_bounded_batches(filled: Context) -> None:
    async with filled.database.connection() as connection:
        await connection.execute("VACUUM ANALYZE outbox")
    for _ in range(_UNTIL_PLAN_IS_KEPT):
        assert await number_once(filled) == 0
    await _write(filled, *[_ANY] * (2 * BATCH + 1))

    assert [await number_once(filled) for _ in range(4)] == [BATCH, BATCH, 1, 0]


async def test_the_numbering_does_without_the_broker(settings: Settings, filled: Context, stop: asyncio.Event) -> None:
    nowhere = SecretStr("amqp://guest:guest@127.0.0.1:9/")
    async with open_context(settings.model_copy(update={"broker_url": nowhere})) as context, asyncio.TaskGroup() as run:
        run.create_task(run_relay(context, stop))
        (message,) = await _write(filled, _ANY)

        async def is_logged() -> bool:
            return await _log(filled) == [(1, str(message.id))]

        await eventually(is_logged, within=10)
        stop.set()

    async with filled.database.connection() as connection:
        waiting = await backlog_rows.outbox(connection)
    assert {row.kind: row.unpublished for row in waiting} == {"event": 1, "command": 0}


_NUMBERED_BEFORE = """
    WITH batch AS (SELECT position, row_number() OVER (ORDER BY position) AS place
                     FROM outbox WHERE kind = 'event' AND sequence IS NULL ORDER BY position LIMIT $1),
         counter AS (UPDATE instance SET sequence = sequence + (SELECT count(*) FROM batch)
                  RETURNING sequence - (SELECT count(*) FROM batch) AS before)
    UPDATE outbox o SET sequence = before + place FROM batch b, counter WHERE o.position = b.position"""
"""The statement of the relay of the release before."""


async def test_a_relay_goes_on_where_one_of_the_release_before_ended(filled: Context, publisher: Publisher) -> None:
    written = await _write(filled, *[_ANY] * 5)
    await query(filled, _NUMBERED_BEFORE, 3)
    await query(filled, "UPDATE outbox SET published_at = now() WHERE sequence <= 2")

    await take_over_log(filled)
    await relay_once(filled, publisher, Kind.EVENT)

    refused = await query(filled, "SELECT sequence, body FROM event_refused")
    (cursor,) = await query(filled, "SELECT published, oldest FROM event_cursor")
    assert [(row["sequence"], json.loads(row["body"])["id"]) for row in refused] == [(3, str(written[2].id))]
    assert json.loads(refused[0]["body"])["sequence"] == "3".zfill(20)
    assert await _log(filled) == [(4, str(written[3].id)), (5, str(written[4].id))]
    assert (cursor["published"], cursor["oldest"]) == (5, 4)

    # It is rolled back, and comes again: the log has a gap then, and begins behind it.
    written = await _write(filled, *[_ANY] * 3)
    await query(filled, _NUMBERED_BEFORE, 1)
    await query(filled, "UPDATE outbox SET published_at = now() WHERE sequence IS NOT NULL")
    await take_over_log(filled)
    await relay_once(filled, publisher, Kind.EVENT)
    (cursor,) = await query(filled, "SELECT published, oldest FROM event_cursor")
    assert [number for number, _ in await _log(filled)] == [4, 5, 7, 8]
    assert (cursor["published"], cursor["oldest"]) == (8, 7)


async def _partitions(context: Context) -> list[date]:
    rows = await query(context, "SELECT inhrelid::regclass::text AS name FROM pg_inherits"
                       " WHERE inhparent = 'event_log'::regclass ORDER BY name")  # fmt: skip
    return [date.fromisoformat(row["name"].rpartition("_")[2]) for row in rows]


async def _drop(context: Context, retention: timedelta) -> int:
    async with context.database.connection() as connection:
        return await days.drop(connection, retention=retention)


async def test_a_day_is_dropped_when_it_is_old_and_published(filled: Context, publisher: Publisher) -> None:
    prepared = await _partitions(filled)
    today = prepared[0]
    old = today - timedelta(days=40)
    await query(filled, f"CREATE TABLE event_log_{old:%Y%m%d} PARTITION OF event_log"
                f" FOR VALUES FROM ('{old}') TO ('{old + timedelta(days=1)}')")  # fmt: skip
    await _write(filled, _ANY, _ANY)
    await number_once(filled)
    await query(filled, "UPDATE event_log SET day = $1 WHERE sequence = 1", old)
    await query(filled, "INSERT INTO event_day VALUES ($1, 1)", old)
    await query(filled, "UPDATE event_day SET first = 2 WHERE day > $1", old)

    assert await _drop(filled, timedelta(days=30)) == 0
    assert await relay_once(filled, publisher, Kind.EVENT) == 2
    assert await _drop(filled, timedelta(days=41)) == 0
    assert await _drop(filled, timedelta(days=30)) == 1

    assert await _partitions(filled) == prepared == [today + timedelta(days=ahead) for ahead in range(4)]
    assert [number for number, _ in await _log(filled)] == [2]
    assert await query(filled, "SELECT FROM event_day") != []


async def test_a_reader_of_an_old_day_delays_its_end_and_nothing_else(filled: Context, publisher: Publisher) -> None:
    await query(filled, "CREATE TABLE event_log_20000101 PARTITION OF event_log"
                " FOR VALUES FROM ('2000-01-01') TO ('2000-01-02')")  # fmt: skip
    await query(filled, "INSERT INTO event_day VALUES ('2000-01-01', 0)")
    async with filled.database.transaction() as reader:
        await reader.fetch("SELECT FROM event_log")
        assert await _drop(filled, timedelta(days=30)) == 0
        await _write(filled, _ANY)
        assert await relay_once(filled, publisher, Kind.EVENT) == 1

    assert await _drop(filled, timedelta(days=30)) == 1
