"""The reasons that stop deletions, and for how long they wait: holds and graces of groups and projects."""

import asyncio
from pathlib import Path
from typing import Final

import pytest

from schemas.names import Lane
from schemas.statuses import DeletionState
from service.context import Context
from service.deletions import holds
from service.deletions.chunk import next_files
from service.deletions.holds import Place
from service.deletions.outcome import AttemptOutcome
from service.deletions.wake import neglected
from tests.integration.conftest import Client
from tests.support.catalogue import delete, find_deletion, objects_in, publish, query, restore, status_of
from tests.support.directories import Directory
from tests.support.packages import API, DEVELOPER, MAINTAINER, PUBLIC, REPORTER, json_of, told
from tests.support.stepwise import Worker
from workers.deleter.batch import carry_out
from workers.scheduler import schedule_once

_HELD: Final = (403, {"message": "403 Forbidden - Deletions are on hold: an audit"})


async def _put(context: Context, reason: str | None, *, place: Place = Place.PROJECT, on: str = "acme/open") -> None:
    await holds.put_on_hold(context.database, place, on, reason=reason)


async def test_under_a_hold_nothing_new_is_accepted(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    await _put(filled, "an audit")

    assert await told(await client.delete(f"{PUBLIC}/{package_id}", headers=MAINTAINER)) == _HELD
    answer = await client.post(f"{PUBLIC}/bulk_delete", json={"ids": [package_id]}, headers=MAINTAINER)

    assert (await answer.json())["refused"] == [{"id": package_id, "reason": _HELD[1]["message"]}]
    assert await status_of(filled, package_id) == "default"


async def test_the_reason_of_a_hold_is_for_maintainers(filled: Context, client: Client) -> None:
    deletion = await delete(filled, await publish(filled))
    await _put(filled, "an audit")

    for place in (f"{API}/projects/100/deletions", f"{API}/groups/acme/deletions"):
        for headers, expected in (
            (MAINTAINER, "an audit"), (DEVELOPER, "on hold"), (REPORTER, "on hold"), ({}, "on hold")
        ):  # fmt: skip
            shown = await json_of(await client.get(f"{place}/{deletion.id}", headers=headers))
            listed = await json_of(await client.get(place, headers=headers))
            assert (shown["hold"], listed[0]["hold"]) == (expected, expected)
            assert shown["estimated_seconds_left"] is None


@pytest.mark.parametrize(("place", "on"), [(Place.PROJECT, "100"), (Place.GROUP, "acme")])
async def test_what_was_accepted_waits_and_goes_on_when_the_hold_is_lifted(
    filled: Context, objects: Path, stop: asyncio.Event, place: Place, on: str
) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    await _put(filled, "an audit", place=place, on=on)

    await carry_out(filled, [deletion.id], stop)
    await query(filled, "UPDATE deletion SET wake_at = now()")
    await query(filled, "DELETE FROM outbox")
    await schedule_once(filled)

    assert await status_of(filled, package_id) == "processing"
    assert len(objects_in(objects)) == 1
    assert await query(filled, "SELECT 1 FROM outbox") == []
    await _put(filled, None, place=place, on=on)
    assert await schedule_once(filled) == 1
    await carry_out(filled, [deletion.id], stop)
    assert await status_of(filled, package_id) is None


async def test_the_end_of_a_short_hold_sends_at_once_for_what_a_worker_has_passed_by(
    filled: Context, stop: asyncio.Event
) -> None:
    one, other = [await delete(filled, await publish(filled, version=version)) for version in ("1.0", "2.0")]
    await _put(filled, "an audit")
    await carry_out(filled, [one.id, other.id], stop)
    await query(filled, "DELETE FROM outbox")

    await _put(filled, None)

    assert await schedule_once(filled) == 2
    commands = await query(filled, "SELECT body FROM outbox WHERE kind = 'command'")
    assert {id_ for row in commands for id_ in row["body"]["deletion_ids"]} == {str(one.id), str(other.id)}


async def test_a_hold_stops_a_deletion_after_the_chunk_that_is_under_way(filled: Context, objects: Path) -> None:
    package_id = await publish(filled, files=["a", "b", "c"])
    deletion = await delete(filled, package_id)
    worker = Worker()
    await worker.claim(filled, deletion.id)
    await worker.look(filled, limit=1)
    await _put(filled, "an audit")

    await worker.remove(filled)
    outcomes = await worker.record(filled)

    assert outcomes == {deletion.id: AttemptOutcome.ON_HOLD}
    assert await next_files(filled.deletions, worker, limit=1) == []
    assert len(objects_in(objects)) == 2


async def test_a_worker_lets_go_of_what_is_on_hold(filled: Context, stop: asyncio.Event) -> None:
    deletion = await delete(filled, await publish(filled))
    # As if the hold came right after the claim.
    await query(
        filled,
        "CREATE FUNCTION hold_it() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN UPDATE project SET deletion_hold = 'an audit' WHERE id = 100; RETURN NULL; END $$",
    )
    await query(
        filled,
        "CREATE TRIGGER hold_it AFTER UPDATE OF marked_at ON deletion FOR EACH ROW EXECUTE FUNCTION hold_it()",
    )

    await carry_out(filled, [deletion.id], stop)

    waiting = await find_deletion(filled, deletion.id)
    assert (waiting.state, waiting.files_done, waiting.attempts) == (DeletionState.RETRYING, 0, 0)
    await restore(filled, deletion.id)
    assert await status_of(filled, deletion.package_id) == "default"


async def test_what_is_under_a_hold_keeps_nobody_from_taking_over_elsewhere(filled: Context) -> None:
    below = await delete(filled, await publish(filled))
    sent_for = await delete(filled, await publish(filled, version="2.0"))
    elsewhere = await delete(filled, await publish(filled, project_id=200), project_id=200)
    for deletion in (below, elsewhere):
        await Worker().claim(filled, deletion.id)
    # A worker died, and a queue does not bring what was sent for.
    await query(filled, "UPDATE deletion SET lease_until = now() - interval '1 s' WHERE id = $1", elsewhere.id)
    await query(filled, "UPDATE deletion SET lease_until = now() - interval '2 s' WHERE id = $1", below.id)
    await query(filled, "UPDATE deletion SET wakes = 2 WHERE id = $1", sent_for.id)
    await _put(filled, "an audit")

    assert await neglected(filled.deletions, [Lane.INTERACTIVE], limit=1) == [elsewhere.id]
    assert await neglected(filled.deletions, [Lane.INTERACTIVE], limit=100) == [elsewhere.id]
    await _put(filled, None)
    found = await neglected(filled.deletions, [Lane.INTERACTIVE], limit=100)
    assert set(found) == {below.id, elsewhere.id, sent_for.id}


async def test_a_deletion_that_waits_under_a_hold_can_be_undone(filled: Context) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    await _put(filled, "an audit")

    await restore(filled, deletion.id)

    assert await status_of(filled, package_id) == "default"


async def test_a_deletion_that_protection_stopped_can_be_undone(filled: Context, stop: asyncio.Event) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    await query(
        filled,
        "INSERT INTO protection_rule (project_id, package_type, package_name_pattern, minimum_access_level_for_delete)"
        " VALUES (100, 'generic', 'app', 50)",
    )
    await carry_out(filled, [deletion.id], stop)
    assert await status_of(filled, package_id) == "error"

    await restore(filled, deletion.id)

    assert await status_of(filled, package_id) == "default"
    rows = await query(filled, "SELECT status FROM package_file WHERE package_id = $1", package_id)
    assert [row["status"] for row in rows] == ["default"]


async def test_the_nearest_place_that_says_anything_says_how_long_the_grace_is(filled: Context, tmp_path: Path) -> None:
    directory = Directory(filled.database, tmp_path)
    ask = "SELECT extract(epoch FROM grace_of($1, $2, interval '5 s'))::int AS grace"

    async def grace(project_id: int, package_type: str) -> int:
        (row,) = await query(filled, ask, project_id, package_type)
        seconds: int = row["grace"]
        return seconds

    assert await grace(102, "npm") == 5
    await directory.apply_twice(
        "groups: [{path: acme, grace_period: 1h, grace_periods: {npm: 2h}}, {path: acme/labs, grace_period: 3h}]\n"
    )
    assert [await grace(100, kind) for kind in ("npm", "generic")] == [7_200, 3_600]
    assert [await grace(102, kind) for kind in ("npm", "generic")] == [10_800, 10_800]
    assert await grace(200, "npm") == 5
    await directory.apply_twice("projects: [{path: acme/labs/anvil, grace_periods: {npm: 0}}]\n")
    assert [await grace(102, kind) for kind in ("npm", "generic")] == [0, 10_800]
    await directory.apply_twice("groups: [{path: acme/labs, grace_period: null}]\n")
    assert await grace(102, "generic") == 3_600
    (refusal,) = await directory.refusals("groups: [{path: acme, grace_period: soon}]\n")
    assert refusal.startswith("line 1: groups[0].grace_period: should be a number of seconds")


async def test_a_project_s_grace_is_kept_by_the_worker(filled: Context, tmp_path: Path, stop: asyncio.Event) -> None:
    await Directory(filled.database, tmp_path).apply("projects: [{path: acme/open, grace_period: 1h}]\n")
    deletion = await delete(filled, await publish(filled))

    await carry_out(filled, [deletion.id], stop)

    assert (await find_deletion(filled, deletion.id)).state is DeletionState.GRACE


async def test_the_directory_file_puts_on_hold_and_lifts(
    filled: Context, client: Client, tmp_path: Path, stop: asyncio.Event
) -> None:
    directory = Directory(filled.database, tmp_path)
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    await directory.apply_twice("groups: [{path: acme, deletion_hold: an audit}]\n")
    shown = await json_of(await client.get(f"{API}/projects/100/deletions/{deletion.id}", headers=MAINTAINER))
    assert (shown["hold"], shown["state"]) == ("an audit", "queued")
    await query(filled, "UPDATE deletion SET wake_at = now()")
    await schedule_once(filled)

    await directory.apply_twice("groups: [{path: acme, deletion_hold: null}]\n")
    await schedule_once(filled)
    await carry_out(filled, [deletion.id], stop)

    assert await status_of(filled, package_id) is None


async def test_records_are_kept_for_a_time_and_failed_ones_as_long_as_their_package(
    filled: Context, stop: asyncio.Event
) -> None:
    done = await delete(filled, await publish(filled))
    await carry_out(filled, [done.id], stop)
    failed = await delete(filled, await publish(filled, name="failed"))
    await query(filled, "UPDATE deletion SET state = 'failed', finished_at = now() WHERE id = $1", failed.id)
    await schedule_once(filled)
    assert len(await query(filled, "SELECT 1 FROM deletion")) == 2

    await query(filled, "UPDATE deletion SET finished_at = now() - interval '91 days'")
    await schedule_once(filled)

    assert [row["id"] for row in await query(filled, "SELECT id FROM deletion")] == [failed.id]


async def test_what_was_attempted_before_is_claimed_alone(filled: Context, stop: asyncio.Event) -> None:
    accepted = [await delete(filled, await publish(filled, version=f"{number}")) for number in range(3)]
    await query(filled, "UPDATE deletion SET attempts = 1 WHERE id = $1", accepted[1].id)
    ids = [deletion.id for deletion in accepted]

    assert await Worker().claim(filled, *ids) == {accepted[0].id, accepted[2].id}
    await carry_out(filled, ids, stop)
    assert (await find_deletion(filled, accepted[1].id)).state is DeletionState.SUCCEEDED
