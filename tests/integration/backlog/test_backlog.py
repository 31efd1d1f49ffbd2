"""The backlog as the scheduler reports it, and other counts."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.backlog.watch import Backlog, Watch
from service.context import Context
from service.observing.liveness import Vitals
from service.observing.metrics import REGISTRY
from tests.support.catalogue import delete, publish, query
from tests.support.stepwise import Worker, with_settings


async def _gauges(context: Context) -> dict[str, float]:
    """Return each gauge of the backlog, by its name and the values of its labels."""
    backlog = await Backlog.read(context.database)
    return {
        " ".join([family.name.removeprefix("packyard_"), *sample.labels.values()]): sample.value
        for family in backlog.gauges()
        for sample in family.samples
    }


async def test_an_empty_yard_has_a_backlog_of_nothing(filled: Context) -> None:
    assert set((await _gauges(filled)).values()) == {0}
    assert len(await _gauges(filled)) == 4 + 2 + 1 + 1 + 2 + 2 + 3 + 1 + 6 + 2


async def test_only_what_a_worker_could_take_is_due(filled: Context) -> None:
    states = {
        "waits for a worker": "not_before = now() - interval '7 s'",
        "in its grace": "state = 'grace', not_before = now() + interval '1 h'",
        "after its grace": "state = 'grace', not_before = now() - interval '90 s'",
        "put off": "state = 'retrying', not_before = now() + interval '1 h'",
        "on hold": "held = true, not_before = now() - interval '1 day'",
        "being destroyed": "state = 'destroying', claim = id, lease_until = now() + interval '1 min',"
        " not_before = now() - interval '1 day'",
        "claim lapsed": "state = 'destroying', claim = id, lease_until = now() - interval '30 s', lane = 'bulk',"
        " not_before = now() - interval '1 day'",
        "over": "state = 'succeeded', finished_at = now(), not_before = now() - interval '1 day'",
    }
    for version, change in states.items():
        deletion = await delete(filled, await publish(filled, version=version.replace(" ", "-")))
        await query(filled, f"UPDATE deletion SET {change} WHERE id = $1", deletion.id)  # noqa: S608 - our own text

    exported = await _gauges(filled)

    assert {state: exported[f"deletions {state}"] for state in ("queued", "grace", "retrying", "destroying")} == {
        "queued": 2,
        "grace": 2,
        "retrying": 1,
        "destroying": 2,
    }
    assert (exported["deletions_due interactive"], exported["deletions_due bulk"], exported["deletions_held"]) == (
        2,
        1,
        1,
    )
    assert 90 <= exported["deletion_oldest_pending_seconds"] < 120


async def test_the_outbox_is_as_late_as_its_oldest_message(filled: Context) -> None:
    await delete(filled, await publish(filled))
    await query(filled, "UPDATE outbox SET recorded_at = now() - interval '75 s' WHERE kind = 'event'")
    await query(filled, "UPDATE outbox SET published_at = now() WHERE kind = 'command'")

    exported = await _gauges(filled)

    assert (exported["outbox_unpublished event"], exported["outbox_unpublished command"]) == (1, 0)
    assert 75 <= exported["outbox_lag_seconds event"] < 100
    assert exported["outbox_lag_seconds command"] == 0


async def test_figures_are_told_by_who_looks_and_not_when_they_are_old(filled: Context) -> None:
    now = 1_000.0
    watch = Watch(filled.database, clock=lambda: now)
    name = "packyard_deletions_held"
    assert REGISTRY.get_sample_value(name) is None
    with watch.exported():
        assert REGISTRY.get_sample_value(name) is None
        await watch.refresh()
        assert REGISTRY.get_sample_value(name) == 0
        now += 61
        assert REGISTRY.get_sample_value(name) is None
    assert REGISTRY.get_sample_value(name) is None


async def test_a_claim_taken_over_is_counted_once(filled: Context) -> None:
    deletion = await delete(filled, await publish(filled))

    async def claim(lease: timedelta) -> float:
        before = REGISTRY.get_sample_value("packyard_leases_expired_total") or 0
        await Worker().claim(with_settings(filled, lease=lease), deletion.id)
        return (REGISTRY.get_sample_value("packyard_leases_expired_total") or 0) - before

    assert await claim(timedelta(milliseconds=1)) == 0
    await asyncio.sleep(0.01)
    assert await claim(timedelta(minutes=1)) == 1
    assert await claim(timedelta(minutes=1)) == 0


async def test_a_process_that_is_stuck_or_stops_says_so(filled: Context) -> None:
    stop, now = asyncio.Event(), 0.0
    vitals = Vitals(stop, clock=lambda: now)
    async with TestClient(TestServer(create_app(replace(filled, vitals=vitals)))) as client:

        async def exported(question: str) -> tuple[int, str, str | None]:
            answer = await client.get(f"/-/{question}")
            return answer.status, (await answer.json())["status"], answer.headers.get("Connection")

        with vitals.loop("consumers"):
            now = 1_000
            assert await exported("live") == (503, "does not turn any more: consumers", None)
            assert await exported("ready") == (200, "ok", None)
        assert await exported("live") == (200, "ok", None)
        stop.set()
        assert await exported("ready") == (503, "stopping", "close")
        assert await exported("live") == (200, "ok", "close")


async def test_what_a_client_makes_up_is_no_time_series(filled: Context) -> None:
    async with TestClient(TestServer(create_app(filled))) as client:
        await client.request("PROPFIND", "/api/v4/made/up")

    labels = {"method": "other", "route": "none", "status": "404"}
    assert REGISTRY.get_sample_value("packyard_http_requests_total", labels) is not None
