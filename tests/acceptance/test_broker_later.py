"""Processes that are started while the broker is away wait for it, and begin when it is there."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import pytest
from pydantic import SecretStr

from service.context import open_context
from service.settings import Settings
from tests.support.catalogue import fill_directory
from tests.support.observer import rows
from tests.support.yard import Yard, eventually
from workers.stack.rabbitmq import RabbitMQ
from workers.stack.state import StackState

_MAINTAINER: Final = {"PRIVATE-TOKEN": "maintainer-token"}
_PACKAGES: Final = "/api/v4/projects/100/packages"
_LEASE: Final = {"PACKYARD_LEASE": "2s"}
_NEXT_TRY_S: Final = 30
"""More than the longest pause between two tries, and what a slow machine adds."""


@asynccontextmanager
async def _yard(settings: Settings, broker_url: str, folder: Path) -> AsyncGenerator[Yard]:
    async with open_context(settings, connections=1) as context:
        await fill_directory(context)
    yard = Yard(settings.model_copy(update={"broker_url": SecretStr(broker_url)}), folder)
    folder.mkdir()
    async with aclosing(yard):
        yield yard


async def _has_said(yard: Yard, name: str, event: str, times: int = 1) -> bool:
    return yard.log(name).count(f'"event":"{event}"') >= times


async def _is_up(yard: Yard, name: str) -> bool:
    return yard.is_listening(name)


async def _status(url: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status


async def _are_ready(yard: Yard, *names: str) -> bool:
    return [await _status(f"{yard.health_url(name)}/-/ready") for name in names] == [200] * len(names)


async def _is_gone(database_url: str, package_id: int) -> bool:
    return not await rows(database_url, "SELECT 1 FROM package WHERE id = $1", package_id)


async def _delete_one(yard: Yard) -> int:
    async with aiohttp.ClientSession(yard.base_url, headers=_MAINTAINER) as client:
        async with client.put(f"{_PACKAGES}/generic/thing/1.0/f?select=package_file", data=b"x") as answer:
            package_id: int = (await answer.json())["package_id"]
        async with client.delete(f"{_PACKAGES}/{package_id}") as answer:
            assert answer.status == 204
    return package_id


async def test_processes_live_while_they_wait_and_carry_out_a_single_deletion_meanwhile(
    settings: Settings, tmp_path: Path, database_url: str
) -> None:
    (tmp_path / "broker").mkdir()
    broker = RabbitMQ(tmp_path / "broker", StackState(tmp_path / "broker" / "stack.json"))
    try:
        async with _yard(settings, broker.url(), tmp_path / "yard") as yard:
            await yard.start(settings=_LEASE)
            for name in ("relay", "work"):
                await eventually(partial(_has_said, yard, name, "waiting_for_broker", 3), within=20)
            package_id = await _delete_one(yard)
            assert [await _status(f"{yard.health_url(name)}/-/live") for name in ("relay", "work")] == [200, 200]
            # Its own broker was never reached, so a wrong address would stop a rollout here.
            assert [await _status(f"{yard.health_url(name)}/-/ready") for name in ("relay", "work")] == [503, 503]
            assert await _status(f"{yard.health_url('schedule')}/-/ready") == 200
            assert (await yard.metrics("work"))['packyard_consumer_up{queue="packyard.delete.bulk"}'] == 0
            assert (await yard.metrics("schedule"))['packyard_active{process="scheduler"}'] == 1
            # The database announces a single deletion to workers, so it does not wait for a broker.
            await eventually(partial(_is_gone, database_url, package_id), within=_NEXT_TRY_S)

            await broker.start()

            await eventually(partial(_has_said, yard, "work", "worker_consuming"), within=_NEXT_TRY_S)
            assert yard.running("relay")
            # The relay has a next try of its own.
            await eventually(partial(_are_ready, yard, "relay", "work"), within=_NEXT_TRY_S)

            await broker.kill()

            assert [await _status(f"{yard.health_url(name)}/-/ready") for name in ("relay", "work")] == [200, 200]
    finally:
        await broker.kill()


@pytest.mark.parametrize("broker", ["refuses connections", "never says a word"])
async def test_sigterm_ends_the_wait_at_once(settings: Settings, tmp_path: Path, broker: str) -> None:
    waiting = ("relay", "work", "schedule")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if broker == "never says a word":
            taken.listen()
        url = f"amqp://yard:sesame@127.0.0.1:{taken.getsockname()[1]}/"
        async with _yard(settings, url, tmp_path / "yard") as yard:
            await yard.start(*waiting)
            for name in waiting:
                await eventually(partial(_is_up, yard, name), within=20)
            if broker == "refuses connections":
                for name in ("relay", "work"):
                    await eventually(partial(_has_said, yard, name, "waiting_for_broker", 2), within=20)
            await asyncio.sleep(0.5)
            told = time.monotonic()

            # Each has to end with status 0.
            await yard.terminate(*waiting)

            assert time.monotonic() - told < 2
            assert "sesame" not in "".join(yard.log(name) for name in waiting)
