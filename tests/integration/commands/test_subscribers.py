"""`packyard subscribers`, against a real broker: an address that works, and no event that is another's."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final
from uuid import uuid4

import aio_pika
import aiohttp
import aiormq
import pytest
from pydantic import SecretStr

from schemas.messages.topology import EVENTS_EXCHANGE, EVENTS_LOG
from service.context import Context
from service.errors import StartError
from service.infra.rabbitmq.broker import open_broker
from service.infra.rabbitmq.subscribers import Subscribers, SubscriberScope
from tests.support.commands import Commands
from tests.support.servers import Servers

_KEYS: Final = (
    "package.destroyed.npm.10.100",
    "package.published.npm.10.102",
    "package.destroyed.generic.20.200",
    "package.destroyed.npm.100.42",
    "package.destroyed.npm.42.10",
    "storage.checked",
)


@pytest.fixture
def broker_url(virtual_host: str) -> str:
    """The broker of this test's yard."""
    return virtual_host


@pytest.fixture
async def prefix(servers: Servers) -> AsyncGenerator[str]:
    """The prefix of this test's users."""
    made = f"t{uuid4().hex[:8]}"
    yield made
    async with aiohttp.ClientSession(servers.management_url, raise_for_status=True) as session:
        for user in await (await session.get("/api/users")).json():
            if user["name"].startswith(made):
                await session.delete(f"/api/users/{user['name']}")


@pytest.fixture
def management_url(servers: Servers, broker_url: str) -> str:
    return f"{servers.management_url}/{broker_url.rpartition('/')[2]}"


@pytest.fixture
async def subscribers(broker_url: str, management_url: str, prefix: str) -> Subscribers:
    """Subscribers at a broker that has the exchange of events."""
    async with open_broker(broker_url, name="test"):
        pass
    return Subscribers(management_url, prefix=prefix)


async def _address(subscribers: Subscribers, broker_url: str, name: str, scope: SubscriberScope) -> str:
    return (await subscribers.add(name, "a-password-of-this-test", scope)).address(broker_url)


@asynccontextmanager
async def _channel(address: str) -> AsyncGenerator[aio_pika.abc.AbstractChannel]:
    async with await aio_pika.connect(address, timeout=5) as connection:
        yield await connection.channel()


async def _publish(address: str) -> None:
    async with _channel(address) as channel:
        exchange = await channel.get_exchange(EVENTS_EXCHANGE, ensure=False)
        for key in _KEYS:
            await exchange.publish(aio_pika.Message(key.encode()), key, mandatory=False)


async def _read(address: str, queue: str) -> list[str]:
    found = []
    async with _channel(address) as channel:
        place = await channel.get_queue(queue, ensure=False)
        while (message := await place.get(fail=False, timeout=5)) is not None:
            await message.ack()
            found.append(message.body.decode())
    return found


async def _is_refused(address: str, queue: str, pattern: str) -> bool:
    try:
        async with _channel(address) as channel:
            place = await channel.get_queue(queue, ensure=False)
            await place.bind(EVENTS_EXCHANGE, pattern)
    except aiormq.exceptions.ChannelAccessRefused:
        return True
    return False


async def test_each_subscriber_has_the_events_of_its_projects_or_groups_alone(
    subscribers: Subscribers, broker_url: str
) -> None:
    scopes = {
        "shop": SubscriberScope(project_ids=[100, 10]),
        "acme": SubscriberScope(root_group_ids=[10]),
        "audit": SubscriberScope(is_all=True),
    }
    addresses = {name: await _address(subscribers, broker_url, name, scope) for name, scope in scopes.items()}
    await _publish(broker_url)

    assert {name: await _read(address, f"sub.{name}.v1") for name, address in addresses.items()} == {
        "shop": ["package.destroyed.npm.10.100", "package.destroyed.npm.42.10"],
        "acme": ["package.destroyed.npm.10.100", "package.published.npm.10.102"],
        "audit": list(_KEYS),
    }


@pytest.mark.parametrize(
    ("scope", "allowed", "refused"),
    [
        (
            SubscriberScope(project_ids=[7, 100]),
            ("#.100", "*.*.*.10.100", "package.destroyed.#.100", "package.*.npm.*.7"),
            (
                "#",
                "package.#",
                "#.100.*",
                "#.10.*",
                "#.102",
                "*.*.*.*.*",
                "#.100.#",
                "100",
                "storage.checked",
                "#.1100",
            ),
        ),
        (
            SubscriberScope(root_group_ids=[10]),
            ("*.*.*.10.*", "#.10.*", "package.published.npm.10.102"),
            ("#", "#.10.#", "#.10", "#.10.*.*", "*.*.*.*.10", "*.*.*.20.*", "#.100", "#.110.*", "package.#"),
        ),
    ],
)
async def test_the_broker_refuses_patterns_that_could_match_what_is_another_s(
    subscribers: Subscribers,
    broker_url: str,
    scope: SubscriberScope,
    allowed: tuple[str, ...],
    refused: tuple[str, ...],
) -> None:
    address = await _address(subscribers, broker_url, "shop", scope)

    outcomes = {pattern: await _is_refused(address, "sub.shop.v1", pattern) for pattern in (*allowed, *refused)}

    assert outcomes == dict.fromkeys(allowed, False) | dict.fromkeys(refused, True)


async def test_a_subscriber_makes_publishes_and_reads_nothing_else(subscribers: Subscribers, broker_url: str) -> None:
    shop = await _address(subscribers, broker_url, "shop", SubscriberScope(project_ids=[100]))
    audit = await _address(subscribers, broker_url, "audit", SubscriberScope(is_all=True))

    async def declare(address: str) -> None:
        async with _channel(address) as channel:
            await channel.declare_queue("sub.shop.v2", durable=True)

    async def replay(address: str) -> None:
        async def ignore(_: aio_pika.abc.AbstractIncomingMessage) -> None: ...

        async with _channel(address) as channel:
            await channel.set_qos(prefetch_count=1)
            await (await channel.get_queue(EVENTS_LOG, ensure=False)).consume(ignore)

    for attempt in (
        *(declare(shop), declare(audit), _publish(shop), _publish(audit)),
        *(replay(shop), _read(shop, "sub.audit.v1")),
    ):
        with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
            await attempt
    await replay(audit)


async def test_a_subscriber_that_went_away_fills_no_disk(subscribers: Subscribers, management_url: str) -> None:
    await subscribers.add("gone", "a-password-of-this-test", SubscriberScope(is_all=True))
    address, _, vhost = management_url.rpartition("/")

    async with aiohttp.ClientSession(address, raise_for_status=True) as session:
        found: dict[str, Any] = {}
        async with asyncio.timeout(30):
            while not found.get("effective_policy_definition"):
                await asyncio.sleep(0.2)
                found = await (await session.get(f"/api/queues/{vhost}/sub.gone.v1")).json()

    assert found["effective_policy_definition"] == {
        "max-length": 200_000,
        "max-length-bytes": 500_000_000,
        "overflow": "drop-head",
        "expires": 14 * 86_400_000,
    }


async def test_a_subscriber_is_made_listed_and_removed_by_the_command(
    filled: Context, subscribers: Subscribers, management_url: str, broker_url: str, prefix: str
) -> None:
    settings = filled.settings.model_copy(
        update={"management_url": SecretStr(management_url), "broker_url": SecretStr(broker_url)}
    )
    packyard = partial(Commands(settings).run, "subscribers")
    added = await packyard("add", "shop", "--project", "acme/open", "--type", "package.destroyed", "--prefix", prefix)
    assert (added.status, added.out.count("\n")) == (0, 1), added.err
    await _publish(broker_url)
    async with asyncio.timeout(30):
        while not (await subscribers.listed())[0].events:
            await asyncio.sleep(0.5)

    found = await packyard("list", "--json", "--prefix", prefix)
    unsure = await packyard("remove", "shop", "--prefix", prefix)
    refused = await packyard("add", "labs", "--group", "acme/labs", "--prefix", prefix)
    removed = await packyard("remove", "shop", "--yes", "--prefix", prefix)

    patterns = ["package.destroyed.*.*.100"]
    assert json.loads(found.out) == [
        {"name": "shop", "queue": "sub.shop.v1", "patterns": patterns, "events": 1, "consumers": 0}
    ]
    assert (unsure.status, refused.status, removed.out) == (2, 1, "shop: removed\n")
    assert "use /api/v4/groups/11/package_events" in refused.err
    assert await subscribers.listed() == []
    with pytest.raises(aiormq.exceptions.ProbableAuthenticationError):
        await _read(added.out.strip(), "sub.shop.v1")


async def test_a_name_is_used_once_and_is_a_plain_one(subscribers: Subscribers) -> None:
    await subscribers.add("shop", "a-password-of-this-test", SubscriberScope(is_all=True))

    with pytest.raises(StartError, match="is there already"):
        await subscribers.add("shop", "another-password", SubscriberScope(is_all=True))
    for name in ("Shop", "shop.*", "", "a/b"):
        with pytest.raises(StartError, match="lower-case letters"):
            await subscribers.add(name, "another-password", SubscriberScope(is_all=True))
    with pytest.raises(StartError, match="there is no subscriber"):
        await subscribers.remove("nobody")
