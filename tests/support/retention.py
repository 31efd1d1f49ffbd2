"""Rules of retention in tests: kept, run, and carried on as the scheduler does."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from schemas.retention import RetentionRule
from service.context import Context
from service.retention import rules, runs
from service.retention.rules import RulePlace, StoredRule
from service.retention.running import carry_on
from service.retention.runs import RetentionRun
from tests.support.catalogue import query

HERE: Final = RulePlace(project_id=100)


def written(**said: Any) -> RetentionRule:
    """Return a rule that deletes what is older than 30 days, or says what is given."""
    return RetentionRule.model_validate({"name": "old", "kind": "delete", "younger_than": "30d", **said})


async def keep_rule(context: Context, place: RulePlace = HERE, *, seen: bool = True, **said: Any) -> StoredRule:
    """Save a rule, with a preview if it is *seen*."""
    async with context.database.transaction() as connection:
        stored = await rules.add_rule(connection, place, written(**said))
        if seen:
            await rules.note_seen(connection, [stored])
            stored = await rules.find_rule(connection, place, stored.id)
    return stored


async def ask(context: Context, stored: StoredRule) -> RetentionRun:
    """Ask for a run by hand."""
    async with context.database.transaction() as connection:
        current = await rules.find_rule(connection, stored.place, stored.id, lock=True)
        return await runs.ask_for_run(connection, current, requested_by=3)


async def run(context: Context, stored: StoredRule) -> RetentionRun:
    """Ask for a run, and carry it on until nothing more can be done."""
    asked = await ask(context, stored)
    await settle(context)
    return await found(context, asked.id)


async def settle(context: Context) -> None:
    """Carry all runs on until nothing more can be done."""
    while await carry_on(context.deletions):
        pass


async def found(context: Context, run_id: UUID) -> RetentionRun:
    """Return a run as it is now."""
    async with context.database.connection() as connection:
        return await runs.find_run(connection, None, run_id)


async def outcomes(context: Context, run_id: UUID) -> Mapping[int, tuple[str, str | None]]:
    """Return what became of the packages of a run."""
    rows = await query(context, "SELECT package_id, outcome, reason FROM retention_item WHERE run_id = $1", run_id)
    return {row["package_id"]: (row["outcome"], row["reason"]) for row in rows}


async def fill(
    context: Context, count: int, *, name: str = "app", project_id: int = 100, kind: str = "npm"
) -> list[int]:
    """Insert versions 1.1.0, 1.2.0 … of a name, all of the year 2020; return their ids."""
    rows = await query(
        context,
        "WITH made AS (INSERT INTO package (project_id, package_type, name, version, created_at, arrived_at)"
        " SELECT $1, $4, $3, '1.' || n || '.0', timestamptz '2020-01-01Z' + make_interval(secs => n), '2020-01-01Z'"
        " FROM generate_series(1, $2::integer) n RETURNING id),"
        " files AS (INSERT INTO package_file (package_id, file_name, size, sha256, storage_key)"
        " SELECT id, 'f', 10, sha256('x'), gen_random_uuid()::text FROM made) SELECT id FROM made ORDER BY id",
        project_id,
        count,
        name,
        kind,
    )
    return [row["id"] for row in rows]
