"""Waiting for the broker at the start: for how long, how often it is tried, and what is not waited for."""

import asyncio
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from schemas.names import Lane
from service.context import Context
from service.errors import BrokerAwayError, StartError
from service.settings import Settings
from tests.support.catalogue import delete, publish, status_of
from tests.support.servers import Servers
from tests.support.silent_hosts import silent_host
from tests.support.stepwise import Worker, with_settings
from workers.deleter.session import run_deleter
from workers.runtime.broker_wait import wait_for_broker, wait_for_servers


@pytest.fixture
def broker_url(virtual_host: str) -> str:
    """The broker of this test's yard."""
    return virtual_host


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"amqp://yard:sesame@127.0.0.1:{taken.getsockname()[1]}/"


def _at(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"broker_url": SecretStr(url)})


async def test_a_broker_that_is_there_is_not_waited_for(settings: Settings, stop: asyncio.Event) -> None:
    with capture_logs() as lines:
        await wait_for_broker(settings, stop)

    assert lines == []


async def test_of_several_hosts_the_first_that_can_be_used_is(
    settings: Settings, nobody: str, stop: asyncio.Event
) -> None:
    parts = urlsplit(settings.broker_url.get_secret_value())
    account, _, host = parts.netloc.rpartition("@")
    away = urlsplit(nobody).netloc.rpartition("@")[2]
    async with silent_host() as silent:
        url = parts._replace(netloc=f"{account}@{away},{silent},{host},{away}").geturl()
        with capture_logs() as lines:
            await wait_for_broker(_at(settings, url), stop)

    assert lines == []


async def test_every_server_of_a_process_is_waited_for(settings: Settings, nobody: str, tmp_path: Path) -> None:
    in_the_way = tmp_path / "volume"
    in_the_way.touch()
    unmounted = settings.model_copy(update={"storage_url": (in_the_way / "objects").as_uri()})
    with capture_logs() as lines:
        waiting = asyncio.create_task(wait_for_servers(unmounted, patience=timedelta(minutes=1), with_broker=True))
        while not lines:
            await asyncio.sleep(0.05)
        in_the_way.unlink()
        async with asyncio.timeout(10):
            await waiting

    assert [line["event"] for line in lines] == ["waiting_for_servers"]
    assert lines[0]["reason"].startswith("PACKYARD_STORAGE_URL: ")
    await wait_for_servers(_at(settings, nobody), patience=timedelta(0), with_broker=False)
    with pytest.raises(StartError, match=r"^PACKYARD_BROKER_URL: cannot use the broker"):
        await wait_for_servers(_at(settings, nobody), patience=timedelta(0), with_broker=True)


async def test_each_try_is_logged_and_the_wait_ends_with_the_reason(
    settings: Settings, stop: asyncio.Event, nobody: str
) -> None:
    began = time.monotonic()
    with capture_logs() as lines, pytest.raises(BrokerAwayError) as ended:
        await wait_for_broker(_at(settings, nobody), stop, within=timedelta(seconds=4))

    assert 4 <= time.monotonic() - began < 8
    # After 0, 1 and 3 seconds, and a last time after 4.
    assert [line["event"] for line in lines] == ["waiting_for_broker"] * 3
    assert {line["reason"] for line in lines} == {str(ended.value)}
    assert str(ended.value).startswith("PACKYARD_BROKER_URL: cannot use the broker at 127.0.0.1:")
    assert "sesame" not in str(ended.value)


async def test_being_told_to_stop_ends_the_wait(settings: Settings, stop: asyncio.Event, nobody: str) -> None:
    asyncio.get_running_loop().call_later(0.3, stop.set)
    async with asyncio.timeout(1):
        await wait_for_broker(_at(settings, nobody), stop)


async def test_a_refusal_is_final(settings: Settings, stop: asyncio.Event) -> None:
    url = urlsplit(settings.broker_url.get_secret_value())
    stranger = url._replace(netloc=f"yard:sesame@{url.netloc.rpartition('@')[2]}").geturl()

    with capture_logs() as lines, pytest.raises(StartError) as refused:
        await wait_for_broker(_at(settings, stranger), stop)

    assert not isinstance(refused.value, BrokerAwayError)
    assert lines == []


async def test_a_virtual_host_may_be_made_after_the_broker_answers(
    settings: Settings, servers: Servers, stop: asyncio.Event
) -> None:
    name = f"test-{uuid4().hex}"
    url = urlsplit(settings.broker_url.get_secret_value())._replace(path=f"/{name}").geturl()
    async with aiohttp.ClientSession(servers.management_url, raise_for_status=True) as management:
        with capture_logs() as lines:
            waiting = asyncio.create_task(wait_for_broker(_at(settings, url), stop))
            while not lines:
                await asyncio.sleep(0.02)
            await management.put(f"/api/vhosts/{name}")
            async with asyncio.timeout(10):
                await waiting
        await management.delete(f"/api/vhosts/{name}")

    assert lines[0]["reason"].endswith(": its virtual host is not there, not ready yet, or not for this user")


async def test_a_claim_that_lapsed_is_taken_over_meanwhile(filled: Context, stop: asyncio.Event, nobody: str) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    await Worker().claim(with_settings(filled, lease=timedelta(0)), deletion.id)
    waiting = replace(filled, settings=_at(filled.settings, nobody))

    with capture_logs() as lines:
        async with asyncio.TaskGroup() as group:
            group.create_task(run_deleter(waiting, list(Lane), stop))
            async with asyncio.timeout(10):
                while await status_of(filled, package_id) is not None:
                    await asyncio.sleep(0.02)
            stop.set()

    assert "waiting_for_broker" in [line["event"] for line in lines]
