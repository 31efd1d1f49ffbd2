"""Schedulers as processes: one is killed in the middle of a plan and of a run, and another one goes on."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import pytest

from service.context import Context, open_context
from service.infra.postgres.database import Connection
from service.retention.runs import RunState
from service.settings import Settings
from tests.support.catalogue import fill_directory, query
from tests.support.retention import ask, fill, found, keep_rule
from tests.support.yard import Yard, eventually

_SOON_S: Final = 20
_PLANNED: Final = 899


@pytest.fixture
async def yard(settings: Settings, tmp_path: Path) -> AsyncGenerator[Yard]:
    made = Yard(settings, tmp_path)
    yield made
    await made.aclose()


@pytest.fixture
async def filled_yard(settings: Settings) -> AsyncGenerator[Context]:
    async with open_context(settings) as context:
        await fill_directory(context)
        yield context


@asynccontextmanager
async def _in_the_way(context: Context, statement: str) -> AsyncGenerator[Connection]:
    """Hold a lock that a scheduler needs, until the end of the block."""
    async with context.database.transaction() as connection:
        await connection.execute(statement)
        yield connection


async def _waits(context: Context, words: str) -> bool:
    """Return whether a scheduler waits for a lock in a statement with these words."""
    rows = await query(
        context,
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND position($1 IN query) > 0",
        words,
    )
    return bool(rows)


async def _has_ended(context: Context, run_id: UUID) -> bool:
    return (await found(context, run_id)).finished_at is not None


async def _has_begun(yard: Yard, name: str) -> bool:
    return yard.has_begun(name)


async def test_a_killed_scheduler_is_followed_by_another_in_the_middle_of_a_plan_and_of_a_run(
    yard: Yard, filled_yard: Context
) -> None:
    context = filled_yard
    ids = await fill(context, _PLANNED + 1)
    rule = await keep_rule(context, keep_latest=1, approve_above=100)
    await yard.start("schedule")
    await eventually(lambda: _has_begun(yard, "schedule"), within=_SOON_S)
    await yard.start("schedule-2")

    async with _in_the_way(context, "LOCK TABLE retention_item IN SHARE MODE"):
        asked = await ask(context, rule)
        await eventually(lambda: _waits(context, "WITH v AS MATERIALIZED"), within=_SOON_S)
        await yard.kill("schedule")
        assert (await found(context, asked.id)).state is RunState.PLANNING
        assert await query(context, "SELECT FROM retention_item") == []
    await yard.start("schedule")
    # The last one of the list: the portions before it are deleted, and its own is in the middle.
    async with _in_the_way(context, f"SELECT FROM package WHERE id = {ids[-2]} FOR UPDATE"):
        await eventually(lambda: _waits(context, "ORDER BY p.id FOR UPDATE"), within=_SOON_S)
        await yard.kill("schedule-2")
        before = len(await query(context, "SELECT FROM deletion"))
        assert 0 < before < _PLANNED
    await eventually(lambda: _has_ended(context, asked.id), within=_SOON_S)

    assert (await found(context, asked.id)).state is RunState.FINISHED
    rows = await query(context, "SELECT package_id, batch_id FROM deletion")
    assert sorted(row["package_id"] for row in rows) == ids[:-1]
    assert {row["batch_id"] for row in rows} == {asked.id}
    assert len(await query(context, "SELECT FROM outbox WHERE routing_key LIKE 'retention.run_planned.%'")) == 1
    assert len(await query(context, "SELECT FROM outbox WHERE routing_key LIKE 'retention.run_finished.%'")) == 1
