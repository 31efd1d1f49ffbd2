"""Runs of rules: what they delete, what they leave, and what stops them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from schemas.names import AccessLevel
from service.context import Context
from service.retention import reports, rules, run_deleting, run_planning, runs
from service.retention.rules import INSTANCE, RulePlace
from service.retention.running import carry_on
from service.retention.runs import RunState
from tests.support.catalogue import event_topics, publish, query, restore, restore_many, status_of
from tests.support.races import begun_waiting, held_open
from tests.support.retention import HERE, ask, fill, found, keep_rule, outcomes, run, settle, written
from workers.deleter.batch import carry_out
from workers.scheduler import run_scheduler

_SOON_S = 20


async def _deletions(context: Context, run_id: UUID) -> dict[int, UUID]:
    rows = await query(context, "SELECT package_id, id FROM deletion WHERE batch_id = $1", run_id)
    return {row["package_id"]: row["id"] for row in rows}


async def _ends(context: Context) -> list[Any]:
    rows = await query(context, "SELECT body FROM outbox WHERE routing_key LIKE 'retention.run_finished.%'")
    return [row["body"]["data"] for row in rows]


async def test_a_run_deletes_all_but_the_latest_as_one_batch_at_level_none(filled: Context) -> None:
    ids = await fill(filled, 12)
    rule = await keep_rule(filled, keep_latest=3)

    done = await run(filled, rule)

    assert (done.state, done.dry_run, done.packages, done.files, done.bytes) == (RunState.FINISHED, False, 9, 9, 90)
    assert [await status_of(filled, each) for each in ids] == ["processing"] * 9 + ["default"] * 3
    rows = await query(
        filled, "SELECT DISTINCT cause, lane, requested_level, credential, reason, batch_id FROM deletion"
    )
    expected = ("policy", "bulk", AccessLevel.NONE, "retention_rule", "retention rule old", done.id)
    assert [tuple(row.values()) for row in rows] == [expected]
    topics = await event_topics(filled)
    assert topics[0] == "retention.run_planned"
    assert topics[-1] == "retention.run_finished"
    assert topics.count("package.deletion_requested") == 9
    (key, *_) = await query(
        filled, "SELECT routing_key FROM outbox WHERE routing_key LIKE 'retention%' ORDER BY position"
    )
    assert key["routing_key"] == "retention.run_planned.any.10.100"
    (event,) = await _ends(filled)
    assert (event["packages"], event["kept"], event["state"]) == (9, 3, "finished")


async def test_a_rule_reaches_more_than_a_page_of_packages(filled: Context) -> None:
    await fill(filled, 700)
    rule = await keep_rule(filled, keep_latest=1, approve_above=100)

    done = await run(filled, rule)

    assert (done.state, done.packages) == (RunState.FINISHED, 699)
    assert len(await _deletions(filled, done.id)) == 699


async def test_a_new_or_changed_rule_first_runs_dry(filled: Context) -> None:
    ids = await fill(filled, 2)
    rule = await keep_rule(filled, seen=False, keep_latest=1)

    first = await run(filled, rule)
    assert (first.state, first.dry_run, first.packages) == (RunState.FINISHED, True, 1)
    assert [await status_of(filled, each) for each in ids] == ["default"] * 2

    async with filled.database.transaction() as connection:
        stored = await rules.find_rule(connection, HERE, rule.id, lock=True)
        await rules.change_rule(connection, stored, written(younger_than="40d", keep_latest=1))
    assert (await run(filled, rule)).dry_run
    second = await run(filled, rule)
    assert (second.dry_run, await status_of(filled, ids[0])) == (False, "processing")


async def test_a_rule_that_keeps_makes_rules_that_delete_show_their_effect_again(filled: Context) -> None:
    await fill(filled, 2)
    rule = await keep_rule(filled)
    keeper = await keep_rule(filled, INSTANCE, name="all", kind="keep", younger_than=None, name_patterns=["*"])

    dry = await run(filled, rule)
    async with filled.database.transaction() as connection:
        await rules.remove_rule(connection, keeper)
    again = await run(filled, rule)

    assert (dry.dry_run, dry.packages, again.dry_run, again.packages) == (True, 0, True, 2)


async def test_protection_and_holds_stop_single_packages_and_are_named(filled: Context) -> None:
    free, core = (await fill(filled, 1, project_id=104, kind="generic"))[0], None
    (core,) = await fill(filled, 1, name="core-a", project_id=104, kind="generic")
    (held,) = await fill(filled, 1, project_id=102)
    await query(filled, "UPDATE directory_group SET deletion_hold = 'audit' WHERE id = 11")
    rule = await keep_rule(filled, RulePlace(group_id=10))

    done = await run(filled, rule)

    assert await outcomes(filled, done.id) == {
        free: ("deleted", None),
        core: ("refused", "protected"),
        held: ("refused", "hold"),
    }


async def test_what_changed_since_the_plan_is_checked_again(filled: Context) -> None:
    downloaded, tagged, protected, gone, published, goes = await fill(filled, 6)
    rule = await keep_rule(filled, younger_than=None, downloaded_within="30d", tags=["*"])
    asked = await ask(filled, rule)
    await carry_on(filled.deletions)
    assert (await found(filled, asked.id)).state is RunState.DELETING

    await query(filled, "UPDATE package SET last_downloaded_at = now() WHERE id = $1", downloaded)
    await query(filled, "INSERT INTO package_tag (package_id, name) VALUES ($1, 'latest')", tagged)
    await query(filled, "UPDATE package SET name = 'keeper' WHERE id = $1", protected)
    await query(
        filled,
        "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_delete)"
        " VALUES (100, 'npm', 'keep*', 40)",
    )
    await query(filled, "UPDATE package SET status = 'hidden' WHERE id = $1", gone)
    await query(
        filled,
        "INSERT INTO package_file (package_id, file_name, size, sha256, storage_key)"
        " VALUES ($1, 'g', 0, sha256(''), 'later')",
        published,
    )
    await settle(filled)

    assert await outcomes(filled, asked.id) == {
        downloaded: ("kept", "downloaded_within"),
        tagged: ("kept", "tags"),
        protected: ("refused", "protected"),
        gone: ("kept", "changed"),
        published: ("kept", "changed"),
        goes: ("deleted", None),
    }


async def test_the_latest_are_counted_anew_after_others_were_published_or_deleted(filled: Context) -> None:
    oldest, older, newer, newest = await fill(filled, 4)
    asked = await ask(filled, await keep_rule(filled, keep_latest=2))
    await carry_on(filled.deletions)
    (version,) = await fill(filled, 1, name="other")
    await query(filled, "UPDATE package SET status = 'hidden' WHERE id = $1", newest)
    await query(filled, "UPDATE package SET name = 'app', version = '0.9.0', created_at = now() WHERE id = $1", version)

    await settle(filled)

    # The one that was among the last two is hidden, so another one is, which the list has; nothing new goes with it.
    assert await outcomes(filled, asked.id) == {oldest: ("deleted", None), older: ("kept", "keep_latest")}
    assert await status_of(filled, newer) == await status_of(filled, version) == "default"


async def test_protection_that_comes_before_the_claim_gives_the_package_back(
    filled: Context, stop: asyncio.Event
) -> None:
    (package,) = await fill(filled, 1)
    rule = await keep_rule(filled)
    done = await run(filled, rule)
    await query(
        filled,
        "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_delete)"
        " VALUES (100, 'npm', '*', 40)",
    )

    await carry_out(filled, list((await _deletions(filled, done.id)).values()), stop)

    assert await status_of(filled, package) == "default"
    (row,) = await query(filled, "SELECT state FROM deletion")
    assert row["state"] == "restored"
    assert await query(filled, "SELECT FROM retention_spared") == []


async def test_a_deletion_of_a_rule_has_at_least_the_grace_of_rules(filled: Context, stop: asyncio.Event) -> None:
    (package,) = await fill(filled, 1)
    done = await run(filled, await keep_rule(filled))

    await carry_out(filled, list((await _deletions(filled, done.id)).values()), stop)

    (row,) = await query(filled, "SELECT state, not_before FROM deletion")
    assert row["state"] == "grace"
    assert timedelta(days=6) < row["not_before"] - datetime.now(UTC) < timedelta(days=8)
    assert await status_of(filled, package) == "pending_destruction"


async def test_a_restored_package_is_spared_by_that_version_of_the_rule_only(filled: Context) -> None:
    package, other = await fill(filled, 2)
    rule = await keep_rule(filled)
    first = await run(filled, rule)
    await restore(filled, (await _deletions(filled, first.id))[package])

    again = await run(filled, rule)
    assert (again.packages, [one["reason"] for one in again.verdicts]) == (0, ["restored"])

    async with filled.database.transaction() as connection:
        assert await runs.release_package(connection, package) == 1
    assert (await run(filled, rule)).packages == 1
    assert await status_of(filled, package) == await status_of(filled, other) == "processing"


async def test_undoing_a_whole_run_pauses_the_rule(filled: Context) -> None:
    await fill(filled, 3)
    rule = await keep_rule(filled, schedule="0 * * * *")
    done = await run(filled, rule)

    await restore_many(filled, done.id)

    async with filled.database.transaction() as connection:
        paused = await rules.find_rule(connection, HERE, rule.id)
        assert paused.pause_reason == f"its run {done.id} was undone"
        with pytest.raises(Exception, match="paused"):
            await runs.ask_for_run(connection, paused, requested_by=3)
    await query(filled, "UPDATE retention_rule SET next_run_at = now() - interval '1 hour'")
    await settle(filled)
    assert len(await query(filled, "SELECT FROM retention_run")) == 1


async def test_a_large_share_waits_for_approval_of_exactly_its_list(filled: Context) -> None:
    ids = await fill(filled, 150)
    rule = await keep_rule(filled)
    waiting = await run(filled, rule)
    assert (waiting.state, waiting.packages) == (RunState.AWAITING_APPROVAL, 150)
    assert await _deletions(filled, waiting.id) == {}
    late = await fill(filled, 1, name="late")
    await query(filled, "UPDATE package SET last_downloaded_at = now(), created_at = now() WHERE id = $1", ids[0])

    async with filled.database.transaction() as connection:
        with pytest.raises(Exception, match="150 packages"):
            await runs.approve_run(connection, waiting, user_id=3, packages=151, size=waiting.bytes)
        await runs.approve_run(connection, waiting, user_id=3, packages=150, size=waiting.bytes)
    await settle(filled)

    deleted = await _deletions(filled, waiting.id)
    assert set(deleted) == set(ids[1:])
    assert await status_of(filled, late[0]) == "default"
    assert (await outcomes(filled, waiting.id))[ids[0]] == ("kept", "younger_than")


async def test_an_approval_that_nobody_gives_lapses(filled: Context) -> None:
    await fill(filled, 101)
    waiting = await run(filled, await keep_rule(filled))
    await query(filled, "UPDATE retention_run SET lapses_at = now() - interval '1 second'")

    await settle(filled)

    assert (await found(filled, waiting.id)).state is RunState.LAPSED
    assert await query(filled, "SELECT FROM deletion") == []
    assert [(one["state"], one["packages"], one["kept"]) for one in await _ends(filled)] == [("lapsed", 0, 101)]


async def test_only_the_newest_runs_list_what_stayed(filled: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MOST_LISTING", 2)
    await fill(filled, 3)
    rule, other = await keep_rule(filled, keep_latest=9), await keep_rule(filled, name="other", keep_latest=9)
    done = [await run(filled, rule) for _ in range(3)]
    await run(filled, other)

    async with filled.database.connection() as connection:
        outcome = [await reports.outcome_of(connection, each) for each in done]
    rows = await query(filled, "SELECT run_id FROM retention_kept ORDER BY run_id")

    assert [one.has_all for one in outcome] == [False, True, True]
    assert [row["run_id"] for row in rows][:2] == [one.id for one in done[1:]]
    assert len(rows) == 3
    assert done[0].verdicts[0]["packages"] == 3

    # Reports are kept as long as the records of deletions.
    await query(filled, "UPDATE retention_run SET finished_at = now() - interval '1 year' WHERE id = $1", done[1].id)
    async with filled.database.connection() as connection:
        for older_than, pruned in ((timedelta(days=366), 0), (timedelta(days=364), 2)):
            assert await runs.prune(connection, older_than=older_than, limit=10) == pruned
    assert done[1].id not in {row["id"] for row in await query(filled, "SELECT id FROM retention_run")}


async def test_a_rule_that_cannot_be_planned_fails_alone(filled: Context) -> None:
    (package,) = await fill(filled, 1)
    bad, good = await keep_rule(filled, name="bad"), await keep_rule(filled, name="good")
    failing, going = await ask(filled, bad), await ask(filled, good)
    await query(filled, "UPDATE retention_run SET definition = '{}' WHERE id = $1", failing.id)

    for _ in range(6):
        await settle(filled)

    assert (await found(filled, failing.id)).state is RunState.FAILED
    assert (await found(filled, going.id)).state is RunState.FINISHED
    assert await status_of(filled, package) == "processing"


async def test_a_rule_that_cannot_be_read_stops_no_other_and_is_paused(filled: Context) -> None:
    (package,) = await fill(filled, 1)
    later, good = [await keep_rule(filled, name=name, schedule="0 * * * *") for name in ("later", "good")]
    await query(filled, "UPDATE retention_rule SET next_run_at = now() - interval '1 minute'")
    await query(
        filled, "UPDATE retention_rule SET definition = definition || '{\"of_later\": 1}' WHERE id = $1", later.id
    )

    await settle(filled)

    (paused,) = await query(filled, "SELECT id, pause_reason FROM retention_rule WHERE paused_at IS NOT NULL")
    assert tuple(paused.values()) == (later.id, "this version of Packyard cannot read it")
    assert [row["rule_id"] for row in await query(filled, "SELECT rule_id FROM retention_run")] == [good.id]
    assert await status_of(filled, package) == "processing"


async def test_a_run_asks_for_no_more_while_a_thousand_deletions_wait(filled: Context) -> None:
    await fill(filled, 1_200)
    rule = await keep_rule(filled, approve_above=100)

    asked = await run(filled, rule)
    assert asked.state is RunState.DELETING
    assert len(await _deletions(filled, asked.id)) == 1_000

    await query(filled, "UPDATE deletion SET state = 'grace' WHERE package_id % 2 = 0")
    await settle(filled)
    assert (await found(filled, asked.id)).state is RunState.FINISHED
    assert len(await _deletions(filled, asked.id)) == 1_200


@pytest.mark.parametrize("pauses_first", [True, False], ids=["pause first", "portion first"])
async def test_nothing_is_asked_for_after_a_pause(filled: Context, *, pauses_first: bool) -> None:
    await fill(filled, 2)
    rule = await keep_rule(filled)
    asked = await ask(filled, rule)
    await carry_on(filled.deletions)
    planned = await found(filled, asked.id)

    async def pause(context: Context) -> None:
        async with context.database.transaction() as connection:
            stored = await rules.find_rule(connection, HERE, rule.id, lock=True)
            await rules.pause_rule(connection, stored, reason="a test")

    # The scheduler has read the run before the pause, and goes on with it.
    async def delete(context: Context) -> bool:
        return await run_deleting.delete_portion(context.deletions, planned)

    sides = (pause, delete) if pauses_first else (delete, pause)
    async with held_open(filled, sides[0]) as first:
        second = await begun_waiting(filled, sides[1])
        await first.end(commits=True)
        await second

    assert len(await _deletions(filled, asked.id)) == (0 if pauses_first else 2)
    assert (await found(filled, asked.id)).state is (RunState.DELETING if pauses_first else RunState.FINISHED)


async def test_a_run_whose_rule_is_changed_in_the_middle_keeps_the_rest(filled: Context) -> None:
    ids = await fill(filled, 2)
    rule = await keep_rule(filled)
    asked = await ask(filled, rule)
    await carry_on(filled.deletions)
    async with filled.database.transaction() as connection:
        stored = await rules.find_rule(connection, HERE, rule.id, lock=True)
        await rules.change_rule(connection, stored, written(younger_than="31d"))

    await settle(filled)

    assert await outcomes(filled, asked.id) == dict.fromkeys(ids, ("kept", "changed"))
    assert await query(filled, "SELECT FROM deletion") == []


async def test_moments_that_were_missed_count_as_one_and_a_clock_put_back_repeats_none(filled: Context) -> None:
    rule = await keep_rule(filled, schedule="0 * * * *")
    ahead = datetime.now(UTC) + timedelta(hours=5)
    await query(filled, "UPDATE retention_rule SET next_run_at = now() - interval '3 days'")
    await settle(filled)
    async with filled.database.connection() as connection:
        moved = (await rules.find_rule(connection, HERE, rule.id)).next_run_at
    assert moved is not None
    assert datetime.now(UTC) < moved <= datetime.now(UTC) + timedelta(hours=1)

    await query(filled, "UPDATE retention_rule SET next_run_at = $1", ahead)
    await settle(filled)

    assert len(await query(filled, "SELECT FROM retention_run")) == 1


async def test_a_scheduler_that_dies_in_the_middle_of_planning_or_deleting_leaves_nothing_half_done(
    filled: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(filled, 600)
    rule = await keep_rule(filled, keep_latest=1, approve_above=100)
    asked = await ask(filled, rule)

    async def die(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    steps = ((run_planning, "_note_plan", (RunState.PLANNING, 0)), (run_deleting, "execute", (RunState.DELETING, 599)))
    for module, place, states in steps:
        with monkeypatch.context() as patched:
            patched.setattr(module, place, die)
            with pytest.raises(asyncio.CancelledError):
                await settle(filled)
        planned = len(await query(filled, "SELECT FROM retention_item WHERE outcome = 'planned'"))
        assert ((await found(filled, asked.id)).state, planned) == states
        assert await query(filled, "SELECT FROM deletion") == []
        if place == "_note_plan":
            await carry_on(filled.deletions)
    await settle(filled)

    assert (await found(filled, asked.id)).state is RunState.FINISHED
    assert len(await _deletions(filled, asked.id)) == 599


@pytest.mark.usefixtures("database_of_its_own")
async def test_a_plan_that_takes_long_delays_no_other_work_of_the_scheduler(
    filled: Context, stop: asyncio.Event
) -> None:
    await fill(filled, 1)
    rule = await keep_rule(filled, tags=["*"])
    planning = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND query LIKE 'WITH v AS MATERIALIZED%'"
    )
    async with asyncio.TaskGroup() as group:
        async with filled.database.transaction() as holder:
            await holder.execute("LOCK TABLE package_tag IN ACCESS EXCLUSIVE MODE")
            group.create_task(run_scheduler(filled, stop))
            asked = await ask(filled, rule)
            async with asyncio.timeout(_SOON_S):
                while not await query(filled, planning):
                    await asyncio.sleep(0.05)
                await publish(filled)
                while await query(filled, "SELECT FROM package_statistic_change"):
                    await asyncio.sleep(0.05)
            assert (await found(filled, asked.id)).state is RunState.PLANNING
        stop.set()


async def test_two_schedulers_ask_for_each_deletion_once(filled: Context) -> None:
    await fill(filled, 600)
    rule = await keep_rule(filled, keep_latest=1, approve_above=100, schedule="0 * * * *")
    await query(filled, "UPDATE retention_rule SET next_run_at = now() - interval '1 minute'")
    await ask(filled, rule)

    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(settle(filled))
    await settle(filled)

    (only,) = await query(filled, "SELECT id, state FROM retention_run")
    assert only["state"] == RunState.FINISHED
    rows = await query(filled, "SELECT package_id FROM deletion")
    assert len(rows) == len({row["package_id"] for row in rows}) == 599
