"""`packyard events replay`, against a real broker: one queue gets the events of the log once more."""

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from pydantic import SecretStr

from schemas.messages.outgoing import Kind
from schemas.messages.topology import EVENTS_EXCHANGE, REPLAY_HEADER, ROUTING_KEY_HEADER
from service.context import Context
from tests.support.catalogue import delete, publish, query
from tests.support.commands import Commands
from tests.support.relaying import Publisher, relay_once
from tests.support.servers import Servers


@pytest.fixture
def broker_url(virtual_host: str) -> str:
    """The broker of this test's yard."""
    return virtual_host


async def _taken(queue: aio_pika.abc.AbstractQueue) -> list[aio_pika.abc.AbstractIncomingMessage]:
    found = []
    while (message := await queue.get(fail=False, timeout=5)) is not None:
        await message.ack()
        found.append(message)
    return found


async def test_one_queue_gets_again_what_it_is_bound_by(
    filled: Context, publisher: Publisher, channel: AbstractChannel, servers: Servers, broker_url: str
) -> None:
    mine = await channel.declare_queue("sub.mine.v1", durable=True)
    other = await channel.declare_queue("sub.other.v1", durable=True)
    for name in ("anvil", "hammer", "tongs"):
        await delete(filled, await publish(filled, name=name, announces=True))
    await mine.bind(EVENTS_EXCHANGE, "package.deletion_requested.#")
    await other.bind(EVENTS_EXCHANGE, "#")
    assert await relay_once(filled, publisher, Kind.EVENT) == 6
    first, _ = await _taken(mine), await _taken(other)
    management_url = f"{servers.management_url}/{broker_url.rpartition('/')[2]}"
    packyard = Commands(filled.settings.model_copy(update={"management_url": SecretStr(management_url)}))

    by_number = await packyard.run(
        "events", "replay", "--after", first[0].headers["cloudEvents_sequence"], "--to", "sub.mine.v1"
    )
    second = await _taken(mine)
    by_time = await packyard.run(
        "events", "replay", "--since", "1h", "--to", "sub.mine.v1", "--pattern", "*.published.#"
    )
    third = await _taken(mine)

    assert (by_number.out, by_number.status) == ("sent 2 events to sub.mine.v1; the last one read is 6\n", 0), by_number
    assert [message.body for message in second] == [message.body for message in first[1:]]
    for before, again in zip(first[1:], second, strict=True):
        added = {REPLAY_HEADER: True, ROUTING_KEY_HEADER: before.routing_key}
        assert again.headers == {**before.headers, **added}
        assert (again.message_id, again.type, again.correlation_id) == (
            *(before.message_id, before.type, before.correlation_id),
        )
        assert again.content_type == before.content_type
    assert by_time.out.startswith("sent 3 events"), by_time
    assert {message.type for message in third} == {"io.packyard.package.published.v1"}
    assert await _taken(other) == []


async def test_a_replay_that_cannot_be_whole_is_refused(
    filled: Context, packyard: Commands, publisher: Publisher
) -> None:
    await delete(filled, await publish(filled))
    await relay_once(filled, publisher, Kind.EVENT)
    await query(filled, "UPDATE event_cursor SET oldest = 2")
    await query(filled, "DELETE FROM event_day")
    options = ("--pattern", "#", "--to", "sub.none.v1")

    too_old = await packyard.run("events", "replay", "--after", 0, *options)
    long_ago = await packyard.run("events", "replay", "--since", "90d", *options)
    nowhere = await packyard.run("events", "replay", "--since", "1h", "--after", 0, *options)

    assert (too_old.status, nowhere.status) == (1, 2)
    assert "the feed has the events 2 to 1" in too_old.err
    assert "PACKYARD_EVENT_RETENTION" in long_ago.err
    assert "PACKYARD_EVENT_RETENTION" not in too_old.err


async def test_a_queue_that_is_not_there_is_named(filled: Context, packyard: Commands, publisher: Publisher) -> None:
    await delete(filled, await publish(filled))
    await relay_once(filled, publisher, Kind.EVENT)

    ended = await packyard.run("events", "replay", "--since", "1h", "--pattern", "#", "--to", "sub.none.v1")

    assert (ended.status, ended.out) == (1, "")
    assert "queue sub.none.v1: is not there" in ended.err
