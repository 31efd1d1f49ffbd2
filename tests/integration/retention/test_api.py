"""Rules, previews, runs and reports over HTTP."""

import asyncio
import csv
import io
import json
from typing import Any, Final

import pytest

from schemas.statuses import PackageStatus
from service.context import Context
from service.retention import preview
from service.retention.running import carry_on
from tests.integration.conftest import Client
from tests.support.catalogue import publish, query, status_of
from tests.support.packages import API, DEVELOPER, FORBIDDEN, MAINTAINER, REPORTER, bring_in, json_of, token, told
from tests.support.retention import ask, fill, keep_rule, run, settle

_PROJECT: Final = f"{API}/projects/100"
_GROUP: Final = f"{API}/groups/acme"
_OLD: Final[dict[str, Any]] = {"name": "old", "kind": "delete", "younger_than": "30d", "keep_latest": 1}
_OWNER: Final = token("owner-token")
_SOON_S: Final = 3
_ADMIN: Final = token("root-token")


async def _add(client: Client, place: str = _PROJECT, headers: dict[str, str] = MAINTAINER, **rule: Any) -> Any:
    status, body = await told(await client.post(f"{place}/retention_rules", json=_OLD | rule, headers=headers))
    assert status == 201, body
    return body


async def test_a_rule_is_kept_changed_and_removed_and_says_what_it_does(filled: Context, client: Client) -> None:
    added = await _add(client, package_types=["npm"], release="prerelease", keep_latest=5)

    assert added["sentence"] == "deletes npm prereleases older than 30 days, but the last 5 of each name"
    assert (added["version"], added["is_seen"], added["place"], added["project_id"]) == (1, False, "project", 100)
    path = f"{_PROJECT}/retention_rules/{added['id']}"
    assert await told(await client.get(path, headers=MAINTAINER)) == (200, added)
    changed = await json_of(await client.put(path, json=_OLD | {"tags": ["*"]}, headers=MAINTAINER))
    assert (
        changed["sentence"] == "deletes packages older than 30 days, but the last of each name and not what is tagged"
    )
    assert changed["version"] == 2
    same = await json_of(
        await client.put(path, json=_OLD | {"tags": ["*"], "schedule": "0 3 * * *"}, headers=MAINTAINER)
    )
    assert (same["version"], same["next_run_at"] is not None) == (2, True)
    for is_enabled in (False, True):
        said = _OLD | {"tags": ["*"], "schedule": "0 3 * * *", "enabled": is_enabled}
        switched = await json_of(await client.put(path, json=said, headers=MAINTAINER))
        assert (switched["version"], switched["next_run_at"]) == (2, same["next_run_at"] if is_enabled else None)
    status, refused = await told(await client.post(f"{_PROJECT}/retention_rules", json=_OLD, headers=MAINTAINER))
    assert (status, refused) == (409, {"message": "409 Conflict: the place has a rule of that name"})
    assert (await client.delete(path, headers=MAINTAINER)).status == 204
    assert await told(await client.get(f"{_PROJECT}/retention_rules", headers=MAINTAINER)) == (200, [])


@pytest.mark.parametrize(
    ("place", "refused", "allowed"),
    [(_PROJECT, DEVELOPER, MAINTAINER), (_GROUP, MAINTAINER, _OWNER), (API, _OWNER, _ADMIN)],
)
async def test_maintainers_of_a_project_owners_of_a_group_and_admins_write_rules(
    filled: Context, client: Client, place: str, refused: dict[str, str], allowed: dict[str, str]
) -> None:
    for path, body in (("retention_rules", _OLD), ("retention/preview", {}), ("retention/runs", {"rule_id": 1})):
        assert await told(await client.post(f"{place}/{path}", json=body, headers=refused)) == FORBIDDEN
    assert (await client.get(f"{place}/retention/runs", headers=refused)).status == 403
    assert (await _add(client, place, allowed))["version"] == 1
    assert (await client.get(f"{place}/retention/runs", headers=allowed)).status == 200


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"younger_than": None, "keep_latest": None}, "about everything"),
        ({"younger_than": "soon"}, "younger_than: should be a number of seconds"),
        ({"schedule": "99 * * * *"}, "schedule: should be words of cron"),
        ({"schedule": "*/15 * * * *"}, "schedule: should name one minute"),
        ({"schedule": "0 0 30 2 *"}, "schedule: should be words of cron"),
        ({"time_zone": "Mars/Olympus"}, "time_zone: should be a time zone"),
        ({"kind": "keep", "schedule": "0 3 * * *"}, "a rule that keeps never runs"),
        ({"statuses": ["hidden"]}, "should be one of default, deprecated, error"),
        ({"regex": ".*"}, "regex: unknown key"),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused(client: Client, rule: dict[str, Any], problem: str) -> None:
    status, body = await told(await client.post(f"{_PROJECT}/retention_rules", json=_OLD | rule, headers=MAINTAINER))

    assert status == 400
    assert problem in body["error"]


async def test_a_preview_says_of_each_package_which_rule_decides(filled: Context, client: Client) -> None:
    first, second, third = await fill(filled, 3)
    keeping = {"name": "keep first", "kind": "keep", "version_patterns": ["1.1.*"]}
    keeper = await _add(client, _GROUP, _OWNER, **keeping, keep_latest=None, younger_than=None)
    rule = await _add(client)

    found = await json_of(await client.post(f"{_PROJECT}/retention/preview", json={}, headers=MAINTAINER))

    assert (found["packages"], found["files"], found["bytes"], found["kept"], found["refused"]) == (1, 1, 10, 2, 0)
    fates = {one["id"]: (one["verdict"], one["rule_id"], one["reason"]) for one in found["list"]}
    assert fates == {
        first: ("kept", keeper["id"], "rule"),
        second: ("deleted", rule["id"], None),
        third: ("kept", rule["id"], "keep_latest"),
    }
    assert sum(one["packages"] for one in found["totals"]) == 3
    assert "generic" in found["latest_by_date"]
    assert "npm" not in found["latest_by_date"]
    assert (await json_of(await client.get(f"{_PROJECT}/retention_rules", headers=MAINTAINER)))[0]["is_seen"] is True


async def test_a_rule_that_is_not_saved_can_be_previewed_in_the_place_of_another(
    filled: Context, client: Client
) -> None:
    await fill(filled, 5)
    await _add(client)

    wanted = {"rule": _OLD | {"keep_latest": 3}}
    found = await json_of(await client.post(f"{_PROJECT}/retention/preview", json=wanted, headers=MAINTAINER))

    assert (found["packages"], found["totals"][0]["rule_id"]) == (2, 0)
    rules = await json_of(await client.get(f"{_PROJECT}/retention_rules", headers=MAINTAINER))
    assert [rule["is_seen"] for rule in rules] == [False]


async def test_a_preview_comes_as_lines_and_as_csv_too(filled: Context, client: Client) -> None:
    ids = await fill(filled, 3)
    await query(filled, "UPDATE package SET name = 'a,\"b' WHERE id = $1", ids[0])

    lines = await client.post(
        f"{_PROJECT}/retention/preview", json={"rule": _OLD}, headers={**MAINTAINER, "Accept": "application/x-ndjson"}
    )
    table = await client.post(
        f"{_PROJECT}/retention/preview", json={"rule": _OLD}, headers={**MAINTAINER, "Accept": "text/csv"}
    )

    assert (lines.headers["Content-Type"], table.headers["Content-Type"]) == ("application/x-ndjson", "text/csv")
    assert lines.headers["Retention-Packages"] == table.headers["Retention-Packages"] == "1"
    parsed = [json.loads(line) for line in (await lines.text()).splitlines()]
    rows = list(csv.DictReader(io.StringIO(await table.text())))
    assert [one["id"] for one in parsed] == [int(row["id"]) for row in rows] == ids
    assert rows[0]["name"] == parsed[0]["name"] == 'a,"b'


async def test_the_bytes_of_a_preview_are_those_that_go_also_where_contents_are_the_same(
    filled: Context, client: Client
) -> None:
    for version in ("1.0", "2.0"):
        await publish(filled, version=version, files=["x", "y"], content=b"same")
    (kept,) = await query(filled, "SELECT count(DISTINCT storage_key) AS objects FROM package_file")

    rule = {"name": "all", "kind": "delete", "name_patterns": ["app"]}
    found = await json_of(await client.post(f"{_PROJECT}/retention/preview", json={"rule": rule}, headers=MAINTAINER))

    assert (found["files"], found["bytes"], kept["objects"]) == (4, 16, 4)


@pytest.mark.usefixtures("database_of_its_own")
async def test_many_previews_leave_connections_to_others_and_are_refused_instead(
    filled: Context, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview, "_PATIENCE_S", 0.2)
    await fill(filled, 1)
    await _add(client)
    most = filled.database.usage()["most"]

    async def ask() -> int:
        answer = await client.post(f"{_PROJECT}/retention/preview", json={}, headers=MAINTAINER)
        await answer.read()
        return answer.status

    async with filled.database.transaction() as holder, asyncio.TaskGroup() as group:
        await holder.execute("LOCK TABLE retention_spared")  # each plan reads it
        asked = [group.create_task(ask()) for _ in range(most * 2)]
        refused, waiting = await asyncio.wait(asked, timeout=_SOON_S)
        assert [task.result() for task in refused] == [503] * (most * 2 - 2)
        assert filled.database.usage()["used"] == 3
        assert (await client.get(f"{_PROJECT}/packages", headers=MAINTAINER)).status == 200
        await holder.execute("ROLLBACK; BEGIN")
        assert [await task for task in waiting] == [200, 200]


async def test_a_run_is_asked_for_watched_and_reported(filled: Context, client: Client) -> None:
    ids = await fill(filled, 3)
    rule = await _add(client)
    await (await client.post(f"{_PROJECT}/retention/preview", json={"rule_id": rule["id"]}, headers=MAINTAINER)).read()
    assert (await json_of(await client.get(f"{_PROJECT}/retention_rules", headers=MAINTAINER)))[0]["is_seen"]

    answer = await client.post(f"{_PROJECT}/retention/runs", json={"rule_id": rule["id"]}, headers=MAINTAINER)
    asked = await json_of(answer)
    assert (answer.status, asked["state"], asked["dry_run"]) == (202, "planning", False)
    again = await client.post(f"{_PROJECT}/retention/runs", json={"rule_id": rule["id"]}, headers=MAINTAINER)
    assert again.status == 409
    await settle(filled)

    path = f"{_PROJECT}/retention/runs/{asked['id']}"
    report = await json_of(await client.get(path, headers=MAINTAINER))
    assert (report["state"], report["packages"], report["deletions"]) == ("finished", 2, {"queued": 2})
    assert [(one["verdict"], one["reason"], one["packages"]) for one in report["totals"]] == [
        ("deleted", None, 2),
        ("kept", "keep_latest", 1),
    ]
    listing = await client.get(f"{path}/packages", headers={**MAINTAINER, "Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(await listing.text())))
    assert [(int(row["id"]), row["outcome"], row["rule"], row["reason"], row["deletion_state"]) for row in rows] == [
        *((each, "deleted", "old", "", "queued") for each in ids[:2]),
        (ids[2], "kept", "old", "keep_latest", ""),
    ]
    whole = await json_of(await client.get(f"{path}/packages", headers={**MAINTAINER, "Accept": "application/json"}))
    assert [one["deletion_id"] is not None for one in whole["list"]] == [True, True, False]
    runs = await json_of(await client.get(f"{_PROJECT}/retention/runs", headers=MAINTAINER))
    assert [one["id"] for one in runs] == [asked["id"]]
    assert (await client.get(f"{_GROUP}/retention/runs/{asked['id']}", headers=_OWNER)).status == 404


async def test_a_rule_that_keeps_says_that_it_never_runs(filled: Context, client: Client) -> None:
    kept = await _add(client, kind="keep", keep_latest=None)

    assert kept["sentence"] == "keeps packages that are younger than 30 days"
    asked = await client.post(f"{_PROJECT}/retention/runs", json={"rule_id": kept["id"]}, headers=MAINTAINER)
    assert await told(asked) == (409, {"message": "409 Conflict: a rule that keeps never runs"})


async def test_a_report_names_the_rule_that_kept_each_package(filled: Context, client: Client) -> None:
    kept, held, late, goes = await fill(filled, 4)
    await fill(filled, 1, name="other")
    await _add(
        client,
        _GROUP,
        _OWNER,
        name="first",
        kind="keep",
        younger_than=None,
        keep_latest=None,
        version_patterns=["1.1.0"],
    )
    await _add(client, name="later", kind="keep", younger_than=None, keep_latest=None, tags=["stable"])
    stored = await keep_rule(filled, name_patterns=["app"])
    asked = await ask(filled, stored)
    await query(filled, "UPDATE project SET deletion_hold = 'audit' WHERE id = 100")
    await carry_on(filled.deletions)
    await query(filled, "UPDATE project SET deletion_hold = NULL WHERE id = 100")
    dry = await run(filled, await keep_rule(filled, name="dry", name_patterns=["app"], dry_run=True))
    await query(filled, "INSERT INTO package_tag (package_id, name) VALUES ($1, 'stable')", late)
    await query(filled, "DELETE FROM package_file WHERE package_id = $1", kept)
    await query(filled, "DELETE FROM package WHERE id = $1", kept)

    held_report, report = [
        await json_of(
            await client.get(
                f"{_PROJECT}/retention/runs/{each}/packages", headers={**MAINTAINER, "Accept": "application/json"}
            )
        )
        for each in (asked.id, dry.id)
    ]

    said = [(one["id"], one["name"], one["outcome"], one["reason"], one["rule"]) for one in report["list"]]
    assert said == [
        (kept, None, "kept", "rule", "first"),
        *((each, "app", "planned", None, "dry") for each in (held, late, goes)),
    ]
    assert [(one["outcome"], one["reason"]) for one in held_report["list"][1:]] == [("refused", "hold")] * 3


async def test_a_rule_is_paused_by_hand_and_its_run_waits(filled: Context, client: Client) -> None:
    await fill(filled, 2)
    stored = await keep_rule(filled)
    asked = await ask(filled, stored)
    await carry_on(filled.deletions)
    path = f"{_PROJECT}/retention_rules/{stored.id}"

    paused = await json_of(await client.post(f"{path}/pause", headers=MAINTAINER))
    await client.post(f"{path}/pause", headers=token("root-token"))
    await settle(filled)
    assert paused["pause_reason"] == "mary paused it"
    assert await query(filled, "SELECT FROM deletion") == []

    resumed = await json_of(await client.post(f"{path}/resume", headers=MAINTAINER))
    await settle(filled)
    assert (resumed["paused_at"], len(await query(filled, "SELECT FROM deletion"))) == (None, 2)
    assert (await client.post(f"{path}/pause", headers=DEVELOPER)).status == 403
    assert (await client.post(f"{_PROJECT}/retention/runs/{asked.id}/refuse", headers=DEVELOPER)).status == 403


async def test_a_list_is_approved_as_it_was_seen(filled: Context, client: Client) -> None:
    ids = await fill(filled, 120)
    rule = await _add(client)
    preview = await client.post(f"{_PROJECT}/retention/preview", json={"rule_id": rule["id"]}, headers=MAINTAINER)
    await preview.read()  # it counts once it was sent to its end
    asked = await json_of(
        await client.post(f"{_PROJECT}/retention/runs", json={"rule_id": rule["id"]}, headers=MAINTAINER)
    )
    await settle(filled)
    path = f"{_PROJECT}/retention/runs/{asked['id']}/approve"

    assert await told(await client.post(path, json={"packages": 119, "bytes": 1}, headers=MAINTAINER)) == (
        409,
        {"message": "409 Conflict: the run has 119 packages with 1190 bytes"},
    )
    assert (await client.post(path, json={"packages": 119, "bytes": 1190}, headers=DEVELOPER)).status == 403
    approved = await client.post(path, json={"packages": 119, "bytes": 1190}, headers=MAINTAINER)
    assert (await json_of(approved))["state"] == "deleting"
    refusal = await client.post(path.replace("approve", "refuse"), headers=MAINTAINER)
    assert (await told(refusal))[0] == 409
    await settle(filled)
    assert await status_of(filled, ids[0]) == "processing"


async def test_a_package_says_why_it_stays_and_when_it_goes(filled: Context, client: Client) -> None:
    old, new = await fill(filled, 2)

    async def _of(package_id: int) -> Any:
        return await json_of(await client.get(f"{_PROJECT}/packages/{package_id}/retention", headers=REPORTER))

    assert (await _of(old))["verdict"] == "untouched"
    rule = await _add(client, schedule="0 3 * * *", time_zone="Europe/Berlin")

    going, staying = await _of(old), await _of(new)
    assert (going["verdict"], going["rule_id"], going["reason"]) == ("deleted", rule["id"], None)
    assert going["next_run_at"] == rule["next_run_at"]
    assert (staying["verdict"], staying["reason"], staying["next_run_at"]) == ("kept", "keep_latest", None)
    assert staying["sentence"] == rule["sentence"]
    # The first rule to run decides, if several would delete it. A rule that only reports never does.
    earlier: dict[str, Any] = {"keep_latest": None, "schedule": "0 * * * *"}
    await _add(client, name="reports", **earlier, dry_run=True)
    sooner = await _add(client, _GROUP, _OWNER, name="sooner", **earlier)
    for each in (old, new):
        going = await _of(each)
        assert (going["rule_id"], going["next_run_at"]) == (sooner["id"], sooner["next_run_at"])
    missing = await client.get(f"{_PROJECT}/packages/987654/retention", headers=REPORTER)
    assert missing.status == 404


async def test_after_an_import_nobody_has_downloaded_counts_from_the_arrival(filled: Context, client: Client) -> None:
    package = await bring_in(filled, created_at="2015-01-01T00:00:00Z", last_downloaded_at=None)
    wanted = {"rule": {"name": "idle", "kind": "delete", "downloaded_within": "90d"}}

    found = await json_of(await client.post(f"{_PROJECT}/retention/preview", json=wanted, headers=MAINTAINER))
    assert [(one["id"], one["verdict"], one["reason"]) for one in found["list"]] == [
        (package, "kept", "downloaded_within")
    ]

    await query(filled, "UPDATE package SET arrived_at = now() - interval '91 days'")
    found = await json_of(await client.post(f"{_PROJECT}/retention/preview", json=wanted, headers=MAINTAINER))
    assert found["packages"] == 1


async def test_what_a_listing_does_not_show_counts_for_nothing(filled: Context, client: Client) -> None:
    shown = await publish(filled, version="1.0")
    await publish(filled, version="2.0", status=PackageStatus.HIDDEN)
    await bring_in(filled, package_type="generic", version=None)
    wanted = {"rule": {"name": "all", "kind": "delete", "name_patterns": ["*"], "keep_latest": 1}}

    found = await json_of(await client.post(f"{_PROJECT}/retention/preview", json=wanted, headers=MAINTAINER))

    assert [(one["id"], one["reason"]) for one in found["list"]] == [(shown, "keep_latest")]
