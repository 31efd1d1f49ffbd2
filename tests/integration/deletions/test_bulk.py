"""Many packages in one call: planned, deleted, watched, and brought back."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from yarl import URL

from service.context import Context
from tests.integration.conftest import Client
from tests.support.catalogue import delete, objects_in, publish, query, status_of
from tests.support.packages import API, DEVELOPER, FORBIDDEN, MAINTAINER, PUBLIC, bring_in, json_of, token, told
from workers.deleter.batch import carry_out

_DELETE: Final = f"{PUBLIC}/bulk_delete"
_IN_GROUP: Final = f"{API}/groups/acme/packages/bulk_delete"
_NO_MOMENT: Final = "should be a timestamp with a zone, such as 2030-01-31T12:00:00Z"
_RESTORE: Final = f"{API}/projects/100/deletions/bulk_restore"


async def _bulk(client: Client, path: str = _DELETE, *, headers: dict[str, str] = MAINTAINER, **body: Any) -> Any:
    answer = await client.post(path, json=body, headers=headers)
    found = await json_of(answer)
    assert answer.status == (200 if body.get("dry_run") else 202), found
    return found


async def _ids(context: Context, batch_id: str) -> list[UUID]:
    rows = await query(context, "SELECT id FROM deletion WHERE batch_id = $1 ORDER BY id", UUID(batch_id))
    return [row["id"] for row in rows]


async def test_ids_are_deleted_and_each_is_told_what_became_of_it(
    filled: Context, client: Client, objects: Path, stop: asyncio.Event
) -> None:
    first, second = await publish(filled, name="a", files=["x", "y"]), await publish(filled, name="b")
    kept = await publish(filled, name="kept")

    told_ = await _bulk(client, ids=[second, first, first, 987_654], reason="too old")

    assert (told_["packages"], told_["files"], told_["bytes"], told_["remaining"]) == (2, 3, 15, 0)
    assert [one["id"] for one in told_["accepted"]] == [first, second]
    assert told_["refused"] == [{"id": 987_654, "reason": "404 Not found"}]
    rows = await query(filled, "SELECT lane, cause, reason, credential, requested_by, requested_level FROM deletion")
    expected = ("bulk", "bulk", "too old", "personal_access_token", 3, 40)
    assert {tuple(row.values()) for row in rows} == {expected}
    commands = await query(filled, "SELECT routing_key FROM outbox WHERE kind = 'command'")
    assert [row["routing_key"] for row in commands] == ["delete.bulk"]
    await carry_out(filled, await _ids(filled, told_["batch_id"]), stop)
    assert (await status_of(filled, first), await status_of(filled, kept)) == (None, "default")
    assert len(objects_in(objects)) == 1


async def test_a_dry_run_tells_just_what_the_real_run_does_and_changes_nothing(filled: Context, client: Client) -> None:
    for number in range(3):
        await publish(filled, name="app", version=f"{number}.0", files=["x", "y"])
    await publish(filled, name="other")
    wanted: dict[str, Any] = {"filter": {"package_name": "app"}}

    planned = await _bulk(client, dry_run=True, **wanted)

    assert await query(filled, "SELECT 1 FROM deletion") == []
    done = await _bulk(client, expected_count=planned["packages"], **wanted)
    same = ("packages", "files", "bytes", "remaining", "refused")
    assert {key: planned[key] for key in same} == {key: done[key] for key in same}
    assert [one["id"] for one in planned["accepted"]] == [one["id"] for one in done["accepted"]]
    assert (planned["batch_id"], planned["_links"]) == (None, None)


async def test_a_set_that_has_another_size_by_now_is_refused_whole(filled: Context, client: Client) -> None:
    for number in range(2):
        await publish(filled, version=f"{number}.0")

    answer = await client.post(
        _DELETE, json={"filter": {"package_name": "app"}, "expected_count": 1}, headers=MAINTAINER
    )

    reason = "409 Conflict: 2 packages would be deleted, 1 were expected"
    assert await told(answer) == (409, {"message": reason})
    assert await query(filled, "SELECT 1 FROM deletion") == []


async def test_filters_mean_what_they_say(filled: Context, client: Client) -> None:
    old = "2020-01-01T00:00:00.000Z"
    await bring_in(filled, name="a", version="1", created_at=old)
    await bring_in(filled, name="a", version="2", created_at="2021-01-01T00:00:00.000Z")
    await bring_in(filled, name="a", version="3", created_at="2022-01-01T00:00:00.000Z")
    await bring_in(filled, name="b", version="1", created_at=old, last_downloaded_at="2024-01-01T00:00:00.000Z")
    await bring_in(filled, name="c", version=None, created_at=old)
    await bring_in(filled, name="d", version="1", package_type="pypi", created_at=old, status="error")

    async def planned(**conditions: Any) -> list[tuple[str, str]]:
        found = await _bulk(client, dry_run=True, filter=conditions)
        return [(one["name"], one["version"]) for one in found["accepted"]]

    assert await planned(package_name="a") == [("a", "1"), ("a", "2"), ("a", "3")]
    assert await planned(package_type="pypi") == [("d", "1")]
    assert await planned(status="error") == [("d", "1")]
    assert await planned(created_before="2020-06-01T00:00:00Z") == [("a", "1"), ("b", "1"), ("d", "1")]
    assert await planned(created_before="2020-06-01T00:00:00Z", include_versionless=True) == [
        ("a", "1"),
        ("b", "1"),
        ("c", None),
        ("d", "1"),
    ]
    assert await planned(last_downloaded_before="2023-01-01T00:00:00Z", package_type="npm") == [
        ("a", "1"),
        ("a", "2"),
        ("a", "3"),
    ]
    assert await planned(keep_latest_per_name=1) == [("a", "1"), ("a", "2"), ("d", "1")]
    assert await planned(keep_latest_per_name=2, created_before="2020-06-01T00:00:00Z") == [("a", "1"), ("d", "1")]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "body should hold either ids or filter"),
        ({"ids": [1], "filter": {"package_name": "a"}}, "body should hold either ids or filter"),
        ({"ids": []}, "ids: should not be empty"),
        ({"ids": ["1"]}, "ids[0]: should be a valid integer"),
        ({"ids": list(range(1, 10_002))}, "ids: should have at most 10000 elements"),
        ({"filter": {}}, "filter: should hold a condition"),
        ({"filter": {"include_versionless": True}}, "filter: should hold a condition"),
        ({"filter": {"package_name": " "}}, "filter.package_name: should hold a word"),
        ({"filter": {"package_name": '" "\t'}}, "filter.package_name: should hold a word"),
        ({"filter": {"nme": "a"}}, "filter.nme: unknown key"),
        ({"filter": {"created_before": "yesterday"}}, f"filter.created_before: {_NO_MOMENT}"),
        ({"filter": {"status": "hidden"}}, "filter.status: should be one of default, deprecated, error"),
        ({"ids": [1], "dry_run": "yes"}, "dry_run: should be a valid boolean"),
    ],
)
async def test_a_wrong_body_is_named_with_its_rule(client: Client, body: Any, error: str) -> None:
    answer = await client.post(_DELETE, json=body, headers=MAINTAINER)

    assert await told(answer) == (400, {"error": error})


async def test_what_is_no_json_is_said_to_be_none(client: Client) -> None:
    for written in (b"{", b"[1]", b"nonsense", b"\xff"):
        answer = await client.post(_DELETE, data=written, headers=MAINTAINER)

        assert answer.status == 400
        assert "body" in (await json_of(answer))["error"]


async def test_only_maintainers_delete_many(filled: Context, client: Client) -> None:
    package_id = await publish(filled)

    for headers in ({}, DEVELOPER):
        assert await told(await client.post(_DELETE, json={"ids": [package_id]}, headers=headers)) == FORBIDDEN

    assert await status_of(filled, package_id) == "default"


async def test_what_is_protected_is_refused_and_the_rest_goes(filled: Context, client: Client) -> None:
    core = await publish(filled, name="core-lib", project_id=104)
    plain = await publish(filled, name="plain", project_id=104)

    done = await _bulk(client, f"{API}/projects/104/packages/bulk_delete", ids=[core, plain])

    assert [one["id"] for one in done["accepted"]] == [plain]
    assert done["refused"] == [{"id": core, "reason": "403 Forbidden - Package is deletion protected."}]
    assert await status_of(filled, core) == "default"


async def test_a_group_is_deleted_from_where_the_caller_may(filled: Context, client: Client) -> None:
    here = await publish(filled, name="app", project_id=100)
    below = await publish(filled, name="app", project_id=102)
    elsewhere = await publish(filled, name="app", project_id=200)

    narrow = await _bulk(client, _IN_GROUP, dry_run=True, filter={"package_name": "app", "exclude_subgroups": True})
    refused = await _bulk(client, _IN_GROUP, headers=DEVELOPER, ids=[here, elsewhere])
    done = await _bulk(client, _IN_GROUP, ids=[here, below, elsewhere])

    assert [one["id"] for one in narrow["accepted"]] == [here]
    assert refused["accepted"] == []
    assert refused["refused"] == [
        {"id": here, "reason": "403 Forbidden"},
        {"id": elsewhere, "reason": "404 Not found"},
    ]
    assert [(one["id"], one["project_id"]) for one in done["accepted"]] == [(here, 100), (below, 102)]
    assert done["refused"] == [{"id": elsewhere, "reason": "404 Not found"}]


@pytest.mark.parametrize("dry_run", [True, False])
async def test_who_shows_no_credential_asks_nothing_of_a_public_group(
    filled: Context, client: Client, *, dry_run: bool
) -> None:
    package_id = await publish(filled)
    done = await _bulk(client, ids=[package_id])
    key = {"Idempotency-Key": "nobody"}

    delete_many = await client.post(_IN_GROUP, json={"ids": [package_id], "dry_run": dry_run}, headers=key)
    undo = await client.post(
        f"{API}/groups/acme/deletions/bulk_restore", json={"batch_id": done["batch_id"]}, headers=key
    )

    assert [await told(delete_many), await told(undo)] == [FORBIDDEN, FORBIDDEN]
    assert await query(filled, "SELECT 1 FROM kept_answer") == []


async def test_the_whole_is_had_as_lines(filled: Context, client: Client) -> None:
    package_id = await publish(filled)

    answer = await client.post(
        _DELETE,
        json={"ids": [package_id, 7_777], "dry_run": True},
        headers={**MAINTAINER, "Accept": "application/x-ndjson"},
    )

    lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert (answer.headers["Deletions-Remaining"], "Deletion-Batch-Id" in answer.headers) == ("0", False)
    assert [(line["outcome"], line["id"], line["reason"]) for line in lines] == [
        ("accepted", package_id, None),
        ("refused", 7_777, "404 Not found"),
    ]


async def test_lines_come_with_the_batch_also_when_they_are_asked_for_again(filled: Context, client: Client) -> None:
    ids = [await publish(filled, version=f"{number}.0") for number in range(2)]
    headers = {**MAINTAINER, "Accept": "Application/X-NDJSON", "Idempotency-Key": "lines"}

    first, again = [await client.post(_DELETE, json={"ids": ids}, headers=headers) for _ in range(2)]

    batch = await json_of(await client.get(URL(str(first.links["status"]["url"])).relative()))
    assert (first.status, len((await first.text()).splitlines())) == (202, 2)
    assert (batch["id"], batch["deletions"]) == (first.headers["Deletion-Batch-Id"], 2)
    assert await again.read() == await first.read()
    for name in ("Deletion-Batch-Id", "Deletions-Remaining", "Link", "Content-Type"):
        assert again.headers[name] == first.headers[name]


async def test_a_batch_is_watched_and_listed(filled: Context, client: Client, stop: asyncio.Event) -> None:
    ids = [await publish(filled, version=f"{number}.0") for number in range(3)]
    await delete(filled, await publish(filled, name="alone"))
    done = await _bulk(client, ids=ids)
    await carry_out(filled, (await _ids(filled, done["batch_id"]))[:2], stop)

    batch = await json_of(await client.get(f"{API}/projects/100/deletion_batches/{done['batch_id']}"))
    in_group = await json_of(await client.get(f"{API}/groups/acme/deletion_batches/{done['batch_id']}"))
    listed = await json_of(await client.get(f"{API}/projects/100/deletions?batch_id={done['batch_id']}"))

    assert (batch["deletions"], batch["states"]) == (3, {"queued": 1, "succeeded": 2})
    assert (batch["files_done"], batch["files_total"], batch["finished_at"]) == (2, 3, None)
    assert {**in_group, "_links": None} == {**batch, "_links": None}
    page = f"/-/deletion_batches/{done['batch_id']}"
    assert (batch["_links"]["web_path"], in_group["_links"]["web_path"]) == (f"/acme/open{page}", f"/groups/acme{page}")
    assert {one["batch_id"] for one in listed} == {done["batch_id"]}
    assert len(listed) == 3


async def test_a_batch_is_undone_as_far_as_each_can_be(filled: Context, client: Client, stop: asyncio.Event) -> None:
    gone, taken, back = [await publish(filled, name=name) for name in ("gone", "taken", "back")]
    done = await _bulk(client, ids=[gone, taken, back])
    by_package = {one["id"]: one["deletion_id"] for one in done["accepted"]}
    await carry_out(filled, [UUID(by_package[gone])], stop)
    await publish(filled, name="taken")

    answer = await client.post(_RESTORE, json={"batch_id": done["batch_id"]}, headers=MAINTAINER)

    body = await json_of(answer)
    assert [one["package_id"] for one in body["restored"]] == [back]
    assert {one["id"]: one["reason"] for one in body["refused"]} == {
        by_package[gone]: "the deletion is succeeded and cannot be restored any more",
        by_package[taken]: "the same name and version has been published again",
    }
    assert [await status_of(filled, package_id) for package_id in (gone, taken, back)] == [
        None,
        "processing",
        "default",
    ]


async def test_a_package_comes_back_under_another_version(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    await publish(filled)
    path = f"{API}/projects/100/deletions/{deletion.id}/restore"

    taken = await client.post(path, headers=MAINTAINER)
    restored = await client.post(path, json={"rename_to": "1.0-again"}, headers=MAINTAINER)

    assert await told(taken) == (409, {"message": "409 Conflict: the same name and version has been published again"})
    body = await json_of(restored)
    assert (body["state"], body["restored_as"], body["package"]["version"]) == ("restored", "1.0-again", "1.0")
    assert [(act["action"], act["by"]["username"], act["credential"]) for act in body["acts"]] == [
        ("restore", "mary", "personal_access_token")
    ]
    (row,) = await query(filled, "SELECT status, version FROM package WHERE id = $1", package_id)
    assert tuple(row.values()) == ("default", "1.0-again")


@pytest.mark.parametrize("version", ["1..0", ".", "../1.0", "1.0/2", "1 0", "1.0\u00e9", "%2e%2e"])
async def test_a_generic_package_comes_back_only_as_a_version_that_one_can_have(
    filled: Context, client: Client, version: str
) -> None:
    deletion = await delete(filled, await publish(filled))
    path = f"{API}/projects/100/deletions/{deletion.id}/restore"

    answer = await client.post(path, json={"rename_to": version}, headers=MAINTAINER)

    rule = "a version of a generic package should be letters, digits and `_.+-`, without two dots in a row"
    assert await told(answer) == (400, {"error": f"rename_to is invalid: {rule}"})
    assert [row["state"] for row in await query(filled, "SELECT state FROM deletion")] == ["queued"]


async def test_what_a_version_looks_like_is_of_no_account_for_other_types(filled: Context, client: Client) -> None:
    package_id = await bring_in(filled, package_type="npm")
    deletion = await delete(filled, package_id)
    path = f"{API}/projects/100/deletions/{deletion.id}/restore"

    answer = await client.post(path, json={"rename_to": "1.0 again"}, headers=MAINTAINER)

    assert (answer.status, (await json_of(answer))["restored_as"]) == (200, "1.0 again")


async def test_asked_again_with_the_same_key_the_answer_is_the_same(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    headers = {**MAINTAINER, "Idempotency-Key": "night-of-the-12th"}

    first = await client.post(_DELETE, json={"ids": [package_id]}, headers=headers)
    again = await client.post(_DELETE, json={"ids": [package_id]}, headers=headers)
    other = await client.post(_DELETE, json={"ids": [package_id + 1]}, headers=headers)
    others = await client.post(_DELETE, json={"ids": [1]}, headers={**headers, **token("owner-token")})

    assert (first.status, again.status, await again.read() == await first.read()) == (202, 202, True)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert other.status == 422
    assert others.status == 202
    assert len(await query(filled, "SELECT 1 FROM deletion")) == 1


async def test_a_restore_is_done_once_for_a_key(filled: Context, client: Client) -> None:
    deletion = await delete(filled, await publish(filled))
    path = f"{API}/projects/100/deletions/{deletion.id}/restore"
    headers = {**MAINTAINER, "Idempotency-Key": "k"}

    first, again = [await client.post(path, headers=headers) for _ in range(2)]

    assert (first.status, again.status) == (200, 200)
    assert await first.read() == await again.read()
    assert (await client.post(path, headers=MAINTAINER)).status == 409
    bad = await client.post(path, headers={**MAINTAINER, "Idempotency-Key": "n\u00f6"})
    assert bad.status == 400


async def test_the_same_request_at_the_same_time_is_refused(filled: Context, client: Client) -> None:
    package_id = await publish(filled)
    async with filled.database.transaction() as connection:
        await connection.fetch(
            "SELECT pg_advisory_xact_lock(hashtextextended('packyard.answer ' || $1 || ' ' || $2, 0))", "user 3", "k"
        )
        answer = await client.post(_DELETE, json={"ids": [package_id]}, headers={**MAINTAINER, "Idempotency-Key": "k"})

    assert answer.status == 409
    assert await status_of(filled, package_id) == "default"


async def test_an_owner_ends_a_grace_early(filled: Context, client: Client, stop: asyncio.Event) -> None:
    package_id = await publish(filled)
    deletion = await delete(filled, package_id)
    patient = replace(filled, settings=filled.settings.model_copy(update={"grace_period": timedelta(hours=1)}))
    await carry_out(patient, [deletion.id], stop)
    path = f"{API}/projects/100/deletions/{deletion.id}/destroy_now"
    assert await status_of(filled, package_id) == "pending_destruction"

    assert await told(await client.post(path, headers=MAINTAINER)) == FORBIDDEN
    answer = await client.post(path, headers=token("owner-token"))
    await carry_out(patient, [deletion.id], stop)

    assert answer.status == 200
    assert await status_of(filled, package_id) is None
    assert (await client.post(path, headers=token("owner-token"))).status == 409
