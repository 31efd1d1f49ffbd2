"""Faults of the broker and the relay under load: what readers of the feed and subscribers of the broker get."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import aio_pika
import aiohttp
import asyncpg
import pytest

from service.settings import Settings, load_settings
from tests.support.catalogue import DIRECTORY
from tests.support.servers import private_servers
from tests.support.yard import Yard, eventually

_MAINTAINER: Final = {"PRIVATE-TOKEN": "maintainer-token"}
_FEED: Final = "/api/v4/projects/100/package_events"
_WRITERS: Final = 4
_PAUSE_S: Final = 0.05
_AWAY_S: Final = 6
_PATIENCE_S: Final = 60
_END_WAITING: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
_LATEST_S: Final = 2.0
"""How much later than its upload was answered an event may be in the feed, on a busy machine."""


@dataclass(slots=True)
class _Reader:
    """Events as one reader got them."""

    ids: list[str] = field(default_factory=list)
    bodies: dict[str, str] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)
    came: dict[str, float] = field(default_factory=dict)
    """By the name of the package: when its event came first."""

    def take(self, body: str) -> None:
        event = json.loads(body)
        self.ids.append(event["id"])
        assert self.bodies.setdefault(event["id"], body) == body
        self.sequences[event["id"]] = int(event["sequence"])
        self.came.setdefault(event["data"]["package_name"], time.monotonic())

    def has_no_gap(self) -> bool:
        return sorted(self.sequences.values()) == list(range(1, len(self.sequences) + 1))


async def _follow(base_url: str, reader: _Reader) -> None:
    """Read the feed as server-sent events."""
    timeout = aiohttp.ClientTimeout(total=None)
    headers = {**_MAINTAINER, "Accept": "text/event-stream", "Last-Event-ID": "0"}
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(base_url + _FEED, headers=headers) as got:
        async for line in got.content:
            if line.startswith(b"data: "):
                reader.take(line.removeprefix(b"data: ").decode().rstrip("\n"))


@asynccontextmanager
async def _subscribed(broker_url: str, reader: _Reader) -> AsyncGenerator[None]:
    async def keep(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        reader.take(message.body.decode())
        await message.ack()

    async with await aio_pika.connect_robust(broker_url, reconnect_interval=0.5) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("sub.fault.v1", durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind("packyard.events", "#")
        await queue.consume(keep)
        yield


async def _upload(base_url: str, writer: int, answered: dict[str, float], stop: asyncio.Event) -> None:
    async with aiohttp.ClientSession(base_url, headers=_MAINTAINER, raise_for_status=True) as session:
        number = 0
        while not stop.is_set():
            name = f"w{writer}-{number}"
            async with session.put(f"/api/v4/projects/100/packages/generic/{name}/1.0/f", data=b"x"):
                answered[name] = time.monotonic()
            number += 1
            await asyncio.sleep(_PAUSE_S)


async def _until_all(readers: Sequence[_Reader], answered: dict[str, float]) -> None:
    async def all_came() -> bool:
        return all(reader.came.keys() >= answered.keys() for reader in readers)

    await eventually(all_came, within=_PATIENCE_S)


@pytest.mark.timeout(240)
async def test_while_the_broker_is_away_the_feed_has_every_event_and_subscribers_get_them_after(
    tmp_path: Path,
) -> None:
    async with private_servers() as servers:
        settings = load_settings(
            environment={
                "PACKYARD_DATABASE_URL": servers.postgres.url(),
                "PACKYARD_BROKER_URL": servers.rabbitmq.url(),
                "PACKYARD_STORAGE_URL": (tmp_path / "objects").as_uri(),
            }
        )
        yard = Yard(settings, tmp_path)
        async with aclosing(yard):
            await yard.run("directory", "apply", str(DIRECTORY))
            await yard.start("serve", "relay")
            feed, queue = _Reader(), _Reader()
            answered: dict[str, float] = {}
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group, _subscribed(servers.rabbitmq.url(), queue):
                following = group.create_task(_follow(yard.base_url, feed))
                for writer in range(_WRITERS):
                    group.create_task(_upload(yard.base_url, writer, answered, stop))
                await eventually(_has_come(queue, 20), within=_PATIENCE_S)
                # RabbitMQ 3 loses a queue for good when it dies in the second in which the queue was made.
                await asyncio.sleep(2)
                await servers.rabbitmq.kill()
                away = time.monotonic()
                await asyncio.sleep(_AWAY_S)
                back = time.monotonic()
                await servers.rabbitmq.start()
                await asyncio.sleep(1)
                stop.set()
                await _until_all([feed, queue], answered)
                following.cancel()

    delays = [feed.came[name] - at for name, at in answered.items() if away < at < back]
    print(f"{len(delays)} events while the broker was away: in the feed after {median(delays):.3f} s in the middle")  # noqa: T201
    assert len(delays) > 50
    assert max(delays) < _LATEST_S
    assert len(feed.ids) == len(set(feed.ids)) == len(answered)
    assert feed.bodies == queue.bodies
    assert feed.has_no_gap()


def _has_come(reader: _Reader, count: int) -> Callable[[], Awaitable[bool]]:
    async def has_come() -> bool:
        return len(reader.ids) >= count

    return has_come


async def test_a_relay_killed_between_confirm_and_commit_sends_the_same_events_again(
    settings: Settings, tmp_path: Path, database_url: str, virtual_host: str
) -> None:
    count = 20
    yard = Yard(settings, tmp_path)
    async with aclosing(yard):
        await yard.run("directory", "apply", str(DIRECTORY))
        await yard.start("serve", "relay")
        queue = _Reader()
        async with (
            _subscribed(virtual_host, queue),
            aiohttp.ClientSession(yard.base_url, headers=_MAINTAINER, raise_for_status=True) as session,
        ):
            connection = await asyncpg.connect(database_url)
            try:
                async with connection.transaction():
                    # The relay cannot write down what the broker has confirmed.
                    await connection.execute("SELECT FROM event_cursor FOR UPDATE")
                    for number in range(count):
                        path = f"/api/v4/projects/100/packages/generic/p{number}/1.0/f"
                        await (await session.put(path, data=b"x")).read()
                    await eventually(_has_come(queue, 1), within=_PATIENCE_S)
                    confirmed = set(queue.ids)
                    await yard.kill("relay")
                    # PostgreSQL would still carry out the statement that waits, as if it had come before the end.
                    await connection.execute(_END_WAITING)
            finally:
                await connection.close()
            await yard.start("relay")

            async def has_come_again() -> bool:
                return len(queue.sequences) == count and all(queue.ids.count(each) == 2 for each in confirmed)

            await eventually(has_come_again, within=_PATIENCE_S)

    assert queue.has_no_gap()
    assert confirmed
