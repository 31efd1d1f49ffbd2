"""The metrics of the processes, read as Prometheus reads them, and the alerts made of them."""

import re
from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any, Final

import aio_pika
import aiohttp
import pytest

from service.settings import Settings
from tests.support.watching import FROM_SCRAPING, expressions, labels_in, names_in
from tests.support.yard import PROCESSES, Yard, eventually

_PACKAGES: Final = "/api/v4/projects/100/packages"
_SIZE: Final = 1_000


@pytest.fixture
async def client(directory: Yard) -> AsyncGenerator[aiohttp.ClientSession]:
    """A maintainer's client of a running yard."""
    yard = directory
    await yard.start()
    for name in PROCESSES:
        await eventually(partial(_tells, yard, name), within=20)
    async with aiohttp.ClientSession(yard.base_url, headers={"PRIVATE-TOKEN": "maintainer-token"}) as session:
        yield session


async def _tells(yard: Yard, name: str) -> bool:
    return yard.is_listening(name)


async def _says(session: aiohttp.ClientSession, readiness: object) -> bool:
    async with session.get("/-/ready") as answer:
        return answer.ok and await answer.json() == readiness


async def _publish(client: aiohttp.ClientSession, version: str) -> None:
    address = f"{_PACKAGES}/generic/thing/{version}/thing.bin"
    async with client.put(address, data=b"x" * _SIZE) as answer:
        assert answer.status == 201


async def _delete_all(client: aiohttp.ClientSession) -> None:
    """Delete one package by itself, and the others in one call."""
    async with client.get(_PACKAGES) as answer:
        first = (await answer.json())[0]["id"]
    async with client.delete(f"{_PACKAGES}/{first}") as answer:
        assert answer.status == 204
    async with client.post(f"{_PACKAGES}/bulk_delete", json={"filter": {"package_name": "thing"}}) as answer:
        assert answer.status == 202


def _sum(samples: Mapping[str, float], name: str, *labels: str) -> float:
    return sum(
        value
        for sample, value in samples.items()
        if sample.partition("{")[0] == name and all(label in sample for label in labels)
    )


async def _has(yard: Yard, process: str, metric: str) -> bool:
    return any(sample.startswith(metric) for sample in await yard.metrics(process))


async def test_every_process_tells_its_health_and_counts_what_is_asked_for(
    yard: Yard, client: aiohttp.ClientSession, settings: Settings
) -> None:
    await _tell_their_health(yard, client)
    for version in ("1.0", "2.0", "3.0"):
        await _publish(client, version)
    await _delete_all(client)
    await eventually(lambda: _has(yard, "relay", "packyard_queue_messages_ready"), within=10)
    await _send_nonsense(settings)

    async def is_over() -> bool:
        worker, relay, scheduler = [await yard.metrics(name) for name in ("work", "relay", "schedule")]
        return (
            _sum(worker, "packyard_deletions_finished_total", 'outcome="succeeded"') == 3
            and _sum(relay, "packyard_dead_letters_total") == 1
            and _sum(scheduler, "packyard_deletion_oldest_pending_seconds") == 0
        )

    await eventually(is_over, within=30)
    told = {name: await yard.metrics(name) for name in PROCESSES}
    api, relay, worker, scheduler = (told[name] for name in ("serve", "relay", "work", "schedule"))

    generic = '{cause="user",package_type="generic"}', '{cause="bulk",package_type="generic"}'
    assert [api[f"packyard_deletions_requested_total{labels}"] for labels in generic] == [1, 2]
    assert [worker[f"packyard_files_destroyed_total{labels}"] for labels in generic] == [1, 2]
    assert [worker[f"packyard_bytes_reclaimed_total{labels}"] for labels in generic] == [_SIZE, 2 * _SIZE]
    assert worker['packyard_deletion_duration_seconds_count{cause="bulk"}'] == 2
    assert 0 < worker['packyard_deletion_destruction_seconds_sum{cause="user"}'] < 10
    assert worker['packyard_deletion_attempts_total{outcome="succeeded"}'] == 3
    assert 1 <= worker['packyard_storage_delete_duration_seconds_count{outcome="ok"}'] <= 3
    assert api['packyard_storage_put_duration_seconds_count{outcome="ok"}'] == 3
    route = "/projects/{id}/packages/{package_id}"
    assert api[f'packyard_http_requests_total{{method="DELETE",route="{route}",status="204"}}'] == 1
    assert api[f'packyard_http_request_duration_seconds_count{{method="DELETE",route="{route}"}}'] == 1
    assert relay['packyard_outbox_published_total{kind="command"}'] == 2
    assert relay['packyard_outbox_published_total{kind="event"}'] == 3 * 3
    assert relay['packyard_active{process="relay"}'] == scheduler['packyard_active{process="scheduler"}'] == 1
    for lane in ("interactive", "bulk"):
        assert worker[f'packyard_consumer_up{{queue="packyard.delete.{lane}"}}'] == 1
        assert relay[f'packyard_queue_consumers{{queue="packyard.delete.{lane}"}}'] == 1
        assert scheduler[f'packyard_deletions_due{{lane="{lane}"}}'] == 0
    assert relay['packyard_queue_messages_ready{queue="packyard.dead"}'] == 1
    assert scheduler['packyard_outbox_unpublished{kind="event"}'] == 0
    for samples in told.values():
        assert samples["packyard_database_connections_max"] == 10
        assert samples["packyard_leases_expired_total"] == 0
        assert samples["packyard_event_loop_lag_seconds"] < 1

    names, labels = _vocabulary(told.values())
    for place, text in expressions():
        assert names_in(text), f"{place} asks for nothing of ours: {text}"
        assert names_in(text) <= names, f"{place} asks for what nobody tells: {names_in(text) - names}"
        assert labels_in(text) <= labels | FROM_SCRAPING, f"{place}: {labels_in(text) - labels}"
    asked = {name for _, text in expressions() for name in names_in(text)}
    assert {name for name in names if name.startswith("packyard_") and _is_worth_asking(name)} <= asked
    assert not labels & {"project", "project_id", "package", "package_id", "package_name"}


async def _send_nonsense(settings: Settings) -> None:
    async with await aio_pika.connect(settings.broker_url.get_secret_value()) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(b"nonsense"), "packyard.delete.bulk")


def _vocabulary(told: Any) -> tuple[set[str], set[str]]:
    samples = {sample for one in told for sample in one}
    labels = {label for sample in samples for label in re.findall(r'([a-z_]+)="', sample)}
    return {sample.partition("{")[0] for sample in samples}, labels


def _is_worth_asking(name: str) -> bool:
    """Return whether a metric should be in some expression: of a histogram, one series is enough."""
    return not name.endswith(("_sum", "_count", "_bucket"))


async def _tell_their_health(yard: Yard, client: aiohttp.ClientSession) -> None:
    # The port for metrics alone decides about their readers; balancers ask for health at the port of the API.
    assert [(await client.get(f"/-/{question}")).status for question in ("metrics", "live", "ready")] == [404, 200, 200]
    # A request by an ingress controller is from outside.
    outside = {"X-Forwarded-For": "192.0.2.7"}
    assert [(await client.get(f"/-/{question}", headers=outside)).status for question in ("live", "ready")] == [
        404,
        404,
    ]
    assert "/-/metrics" not in await (await client.get("/api/openapi.json")).text()
    for name in PROCESSES:
        async with aiohttp.ClientSession(yard.health_url(name)) as session:
            async with session.get("/-/metrics") as answer:
                assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                assert "packyard_build_info" in await answer.text()
            async with session.get("/-/live") as answer:
                assert (answer.status, await answer.json()) == (200, {"status": "ok"})
            needed = ["database", "store", *(["broker"] if name in {"relay", "work"} else [])]
            expected = {"status": "ok", "servers": dict.fromkeys(needed, "ok")}
            await eventually(partial(_says, session, expected), within=10)
            async with session.get("/api/v4/version") as answer:
                assert answer.status == 404
