"""The deliverer as a process, with a receiver that knows no code of the service: kills and slow neighbours."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

import aiohttp
import pytest
from aiohttp import web
from standardwebhooks import Webhook as Verifier

from schemas.messages.events import PackageDestroyed
from schemas.messages.examples import example_fact
from service.events import outbox
from service.infra.postgres.pool import open_database
from service.settings import Settings
from tests.support.catalogue import DIRECTORY
from tests.support.paths import ROOT
from tests.support.receivers import SECRET_KEY, Receiver, receiving
from tests.support.yard import Yard, eventually
from tests.system.benchmarks.bench import listening
from workers.stack.state import LOOPBACK, free_port

_SETTINGS: Final = {
    "PACKYARD_SECRET_KEYS": SECRET_KEY,
    "PACKYARD_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    "PACKYARD_WEBHOOK_TIMEOUT": "2s",
}
_MAINTAINER: Final = {"PRIVATE-TOKEN": "maintainer-token"}
_EXAMPLE: Final = ROOT / "examples" / "python" / "receiver.py"
_TAKEN_OVER_S: Final = 30


@pytest.fixture
async def yard(settings: Settings, tmp_path: Path) -> AsyncGenerator[Yard]:
    made = Yard(settings, tmp_path)
    await made.run("directory", "apply", str(DIRECTORY))
    await made.start("serve", "relay", "deliver", settings=_SETTINGS)
    yield made
    await made.aclose()


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    async with receiving() as opened:
        yield opened


async def _add(yard: Yard, url: str, **values: object) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession(headers=_MAINTAINER) as session,
        session.post(f"{yard.base_url}/api/v4/projects/100/hooks", json={"url": url, **values}) as answer,
    ):
        body: dict[str, Any] = await answer.json()
        assert answer.status == 201, body
    return body


async def _happen(url: str, *names: str, pause_s: float = 0.0) -> dict[str, float]:
    """Commit an event for each name, all together or one by one; return when each was committed."""
    facts = {name: example_fact(PackageDestroyed).model_copy(update=_about(name)) for name in names}
    committed: dict[str, float] = {}
    async with open_database(url, size=1) as database:
        batches: Sequence[Sequence[str]] = [[name] for name in names] if pause_s else [names]
        for batch in batches:
            async with database.transaction() as connection:
                await outbox.append(connection, [outbox.event(facts[name]) for name in batch])
            committed |= dict.fromkeys(batch, time.time())
            await asyncio.sleep(pause_s)
    return committed


def _about(name: str) -> dict[str, object]:
    return {"project_id": 100, "root_group_id": 10, "package_name": name}


def _names(receiver: Receiver) -> list[str]:
    return [json.loads(one.body)["data"]["package_name"] for one in receiver.received]


async def _until_received(receiver: Receiver, count: int, *, within: float) -> None:
    async def has_come() -> bool:
        return len(receiver.received) >= count

    await eventually(has_come, within=within)


async def test_an_event_comes_twice_with_one_id_when_the_deliverer_dies_between_sending_and_noting(
    yard: Yard, receiver: Receiver, database_url: str
) -> None:
    answered = asyncio.Event()

    async def hold(_request: web.Request) -> web.StreamResponse:
        await answered.wait()
        return web.Response()

    hook = await _add(yard, receiver.url)
    receiver.answering = hold
    await _happen(database_url, "first", "second")
    await _until_received(receiver, 1, within=10)

    await yard.kill("deliver")
    answered.set()
    receiver.answering = None
    await yard.start("deliver", settings=_SETTINGS)
    await _until_received(receiver, 3, within=_TAKEN_OVER_S)

    assert _names(receiver) == ["first", "first", "second"]
    assert receiver.received[0].id == receiver.received[1].id != receiver.received[2].id
    for came in receiver.received:
        assert Verifier(hook["signing_token"]).verify(came.body, dict(came.headers))["id"] == came.id


async def test_the_example_of_a_receiver_verifies_and_drops_what_comes_twice(yard: Yard, database_url: str) -> None:
    port = free_port()
    url = f"http://{LOOPBACK}:{port}/"
    hook = await _add(yard, url)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(_EXAMPLE)),
        env={"PORT": str(port), "WEBHOOK_SIGNING_TOKEN": hook["signing_token"], "COUNT": "3"},
        stdout=asyncio.subprocess.PIPE,
    )
    await listening(port)
    body = json.dumps({"id": "0", "type": "io.packyard.package.destroyed.v1", "subject": "projects/100/packages/1"})
    now = datetime.now(UTC)
    signed = {
        "webhook-id": "0",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Verifier(hook["signing_token"]).sign("0", now, body),
    }
    async with aiohttp.ClientSession() as session:
        answers = [
            (await session.post(url, data=body, headers=headers)).status
            for headers in ({}, {**signed, "webhook-signature": "v1,aGVsbG8="}, signed, signed)
        ]
    await _happen(database_url, "first", "second")
    async with asyncio.timeout(20):
        printed, _ = await process.communicate()

    assert answers == [401, 401, 204, 204]
    assert process.returncode == 0
    lines = [line.split() for line in printed.decode().splitlines()]
    assert [line[1] for line in lines] == ["io.packyard.package.destroyed.v1"] * 3
    assert len({line[0] for line in lines}) == 3


async def test_sigterm_ends_a_deliverer_after_the_request_under_way(
    yard: Yard, receiver: Receiver, database_url: str
) -> None:
    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    receiver.answering = hang
    await _add(yard, receiver.url)
    await _happen(database_url, "first")
    await _until_received(receiver, 1, within=10)

    began = time.monotonic()
    await yard.terminate("deliver")

    assert time.monotonic() - began < 6


async def test_receivers_that_hang_harm_no_other(yard: Yard, receiver: Receiver, database_url: str) -> None:
    async def hang_for_some(request: web.Request) -> web.StreamResponse:
        if "/slow" in request.path:
            await asyncio.sleep(60)
        return web.Response()

    receiver.answering = hang_for_some
    await _add(yard, f"{receiver.url}/good")
    for number in range(70):
        await _add(yard, f"{receiver.url}/slow/{number}")
    arrived: dict[str, float] = {}

    async def note(request: web.Request) -> web.StreamResponse:
        if "/good" in request.path:
            arrived.setdefault(json.loads(await request.read())["data"]["package_name"], time.time())
        return await hang_for_some(request)

    receiver.answering = note
    committed = await _happen(database_url, *(f"p{number}" for number in range(40)), pause_s=0.2)

    async def all_arrived() -> bool:
        return len(arrived) == len(committed)

    await eventually(all_arrived, within=30)
    delays = [arrived[name] - committed[name] for name in committed]
    print(f"beside 70 receivers that hang: p50 {median(delays):.3f} s, p95 {quantiles(delays, n=20)[-1]:.3f} s")  # noqa: T201
    assert median(delays) < 0.5
    assert max(delays) < 5
