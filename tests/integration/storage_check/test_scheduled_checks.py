"""Checks that the scheduler makes: when, what they announce, and what they do about a store that is away."""

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.checks import Figures
from service.context import Context
from service.infra.storage.interface import MARK
from service.storage_check import rows, schedule
from tests.support.catalogue import event_topics, publish, query
from tests.support.checks import put, quarantined
from tests.support.stepwise import with_settings
from workers.scheduler import run_scheduler, schedule_once


async def _let_pass(context: Context, time: timedelta) -> None:
    await query(context, "UPDATE storage_check SET checked_at = checked_at - $1::interval", time)


async def _is_due(context: Context) -> bool:
    return await schedule.is_due(context.database, context.settings)


async def _check(context: Context) -> dict[str, Any]:
    """Check, and return the body of the one event of it."""
    await schedule.run_scheduled_check(context.database, context.store, context.settings)
    rows = await query(context, "SELECT body FROM outbox WHERE routing_key = 'storage.checked' ORDER BY position")
    body: dict[str, Any] = rows[-1]["body"]
    return body


async def test_a_new_yard_is_checked_when_the_time_has_come_and_once(filled: Context) -> None:
    filled = with_settings(filled, check_times="03:00")
    await _let_pass(filled, timedelta(days=1))
    assert await _is_due(filled)

    await _check(filled)

    assert not await _is_due(filled)
    assert not await _is_due(with_settings(filled, check_times="never"))
    await _let_pass(filled, timedelta(days=1))
    assert await _is_due(filled)
    assert not await _is_due(with_settings(filled, check_times="never"))


async def test_the_event_tells_the_figures_and_nothing_is_touched(filled: Context) -> None:
    await publish(filled, content=b"12345")
    await put(filled, b"123")
    event = await _check(with_settings(filled, orphan_age=timedelta(0)))

    assert event["type"] == "io.packyard.storage.checked.v1"
    assert (event["subject"], event["partitionkey"]) == ("storage", "storage")
    assert event["causationid"] == event["id"]
    assert event["correlationid"] == event["data"]["check_id"]
    assert (event["authtype"], event["authid"]) == ("system", "packyard")
    assert (event["data"]["clean"], event["data"]["repaired"]) == (False, False)
    expected = Figures(objects=2, bytes=8, files=1, orphaned=1, orphaned_bytes=3)
    assert event["data"]["figures"] == expected.model_dump()
    assert event["data"]["started_at"] <= event["data"]["finished_at"]
    assert await quarantined(filled) == set()


async def test_it_repairs_where_that_is_set(filled: Context) -> None:
    key = await put(filled)

    event = await _check(with_settings(filled, orphan_age=timedelta(0), check_repair=True))

    assert (event["data"]["clean"], event["data"]["repaired"]) == (True, True)
    assert event["data"]["figures"]["quarantined"] == 1
    assert await quarantined(filled) == {key}


async def test_it_removes_what_uploads_left_that_broke_off_long_ago(filled: Context, objects: Path) -> None:
    fresh, stale = objects / MARK / "fresh.partial", objects / MARK / "stale.partial"
    for path in (fresh, stale):
        path.write_bytes(b"half")
    two_days_ago = time.time() - 2 * 86_400
    os.utime(stale, (two_days_ago, two_days_ago))

    await _check(filled)

    assert (fresh.exists(), stale.exists()) == (True, False)


async def test_the_scheduler_checks_beside_its_other_work_and_adds_up_figures(
    filled: Context, stop: asyncio.Event
) -> None:
    await publish(filled)
    await _let_pass(filled, timedelta(days=1))

    running = asyncio.create_task(run_scheduler(with_settings(filled, check_times="00:00"), stop))
    async with asyncio.timeout(20):
        while "storage.checked" not in await event_topics(filled) or await query(
            filled, "SELECT * FROM package_statistic_change"
        ):
            assert not running.done()
            await asyncio.sleep(0.05)
    stop.set()
    await running

    assert (await event_topics(filled)).count("storage.checked") == 1


async def test_a_check_of_a_store_that_is_away_breaks_off_and_stays_due(
    filled: Context, stop: asyncio.Event, objects: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await publish(filled)
    await _let_pass(filled, timedelta(days=1))
    objects.rename(objects.with_name("away"))
    scheduled = with_settings(filled, check_times="00:00")

    running = asyncio.create_task(run_scheduler(scheduled, stop))
    output = ""
    async with asyncio.timeout(20):
        while "storage_check_broke_off" not in output:
            output += capsys.readouterr().out
            await asyncio.sleep(0.05)
    assert await schedule_once(filled) == 0  # the other work goes on
    stop.set()
    await running

    assert "is the volume mounted" in output
    assert await event_topics(filled) == []
    assert await _is_due(scheduled)


async def test_every_finding_is_a_line_of_the_log(filled: Context, capsys: pytest.CaptureFixture[str]) -> None:
    key = await put(filled)
    await _check(with_settings(filled, orphan_age=timedelta(0)))

    lines = [line for line in capsys.readouterr().out.splitlines() if "storage_" in line]

    assert [("storage_finding" in line, key in line) for line in lines] == [(True, True), (False, False)]
    assert "storage_checked" in lines[1]


async def test_the_report_of_the_last_check_is_kept_with_its_figures_and_findings(filled: Context) -> None:
    key = await put(filled)
    await _check(with_settings(filled, orphan_age=timedelta(0)))

    async with filled.database.connection() as connection:
        report = await rows.last_report(connection)

    assert report is not None
    assert report.figures.orphaned == 1
    assert [(finding.kind, finding.key) for finding in report.findings] == [("orphaned", key)]
